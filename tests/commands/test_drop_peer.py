"""The verb drop-peer; tests/e2e/test_steer.py has it with real peers."""

from ccproxy.commands import server_verb
from ccproxy.server.control_client import ControlReply

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"


def test_the_peer_is_named_and_counted(ini, call, monkeypatch):
    answers = [(200, {"changed": 2}), (404, {"error": "no peer is called bob"})]
    asked = []

    def request(method, target, where, timeout):
        asked.append((method, target))
        return ControlReply(where[0], *answers.pop(0))

    monkeypatch.setattr(server_verb, "request", request)
    assert call("drop-peer", ini(INI), "1.2.3.4:5") == (0, "closed 2 connections\n", "")
    status, _, err = call("drop-peer", ini(INI), "bob")
    assert status == 1 and ": no peer is called bob" in err
    assert asked[0] == ("POST", "/v1/drop-peer?peer=1.2.3.4%3A5")
