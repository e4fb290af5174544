"""The verb drop-peer; tests/e2e/test_steer.py has it with real peers."""

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"


def test_the_peer_is_named_and_counted(ini, call, serving):
    answers = [(200, {"changed": 2}), (404, {"error": "no peer is called bob"})]
    asked = serving(lambda method, target: answers.pop(0))
    assert call("drop-peer", ini(INI), "1.2.3.4:5") == (0, "closed 2 connections\n", "")
    status, _, err = call("drop-peer", ini(INI), "bob")
    assert status == 1 and ": no peer is called bob" in err
    answers.append((404, {"error": "no peer is called \x1b[31m\n"}))
    _, _, err = call("drop-peer", ini(INI), "\x1b[31m\n")
    assert err.endswith("no peer is called \\x1b[31m\\n\n")
    answers.append((200, {"changed": 2}))
    assert call("drop-peer", "--json", ini(INI), "bob") == (0, '{"changed": 2}\n', "")
    assert asked[0] == ("POST", "/v1/drop-peer?peer=1.2.3.4%3A5")
