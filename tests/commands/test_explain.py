"""The verb explain, on the terminal."""

import json

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [routes]
    * = h:echo
    log = h:far, h:some
    log.debug = h:nowhere
    pub.info = h:far
    [h:echo]
    handler = echo
    [h:far]
    handler = cc.handler.proxy
    remote-cc = tcp://127.0.0.1:5001
    zmq_hwm = 50
    [h:some]
    handler = filter
    include = log.error
    forward-to = h:far
    [h:nowhere]
    handler = disposer
"""
NO_STAR = INI.replace("* = h:echo", "echo = h:echo")


def test_every_line_handler_and_link(ini, call):
    status, out, err = call("explain", ini(INI), "log.debug")
    assert (status, err) == (0, "")
    assert out == (
        "log.debug\n"
        "  x.ini:5 route * matches\n"
        "    h:echo (echo, line 9): sees each message\n"
        "      logged as unknown\n"
        "  x.ini:6 route log matches\n"
        "    h:far (cc.handler.proxy, line 11): forwards to\n"
        "      tcp://127.0.0.1:5001, queue 64 MiB or 100 messages, on-full drop-new\n"
        "      passed on unchanged; replies come back to the sender\n"
        "    h:some (filter, line 15): discards it: filtered\n"
        "      does not pass: no include pattern matches\n"
        "  x.ini:7 route log.debug matches\n"
        "    h:nowhere (disposer, line 19): discards it: disposed\n"
        "      dropped on purpose\n"
        "  => forwarded: to 1 link; each message is seen by h:echo\n"
    )


def test_a_static_way(ini, call):
    out = call("explain", ini(NO_STAR), "log.error")[1]
    assert "=> forwarded: to 2 links; decided once for the type" in out


def test_no_way_and_why(ini, call):
    status, out, _ = call("explain", ini(NO_STAR), "pub.infofile")
    assert status == 1
    assert "  no route matches\n" in out
    assert '  x.ini:8 route pub.info does not match: routes match by whole parts, "pub.info"' in out
    assert out.endswith("  => unrouted\n")


def test_no_type(ini, call):
    status, out, _ = call("explain", ini(INI), "log.")
    assert status == 1
    assert out == 'log.\n  no message type: it ends with a dot\n  perhaps "log" is meant\n' + (
        "  => malformed\n"
    )


def test_several_types(ini, call):
    status, out, _ = call("explain", ini(NO_STAR), "log.error", "log.debug", "gone")
    assert status == 1
    assert [part.partition("\n")[0] for part in out.split("\n\n")] == [
        "log.error", "log.debug", "gone",
    ]  # fmt: skip


def test_json(ini, call):
    status, out, _ = call("explain", "--json", ini(NO_STAR), "log.debug", "Log")
    debug, wrong = json.loads(out)
    assert status == 1
    assert (debug["fate"], debug["static"]) == ("forwarded", True)
    assert [match["prefix"] for match in debug["matches"]] == ["log", "log.debug"]
    far, some = debug["matches"][0]["asked"]
    assert far["destinations"] == [
        {"address": "tcp://127.0.0.1:5001", "queue": 64 << 20, "queue_messages": 100,
         "on_full": "drop-new"}
    ]  # fmt: skip
    assert (some["verdict"], some["reason"]) == ("discard", "filtered")
    assert some["about"] == "does not pass: no include pattern matches"
    assert wrong["fate"] == "unrouted"
    assert "case" in wrong["near_misses"][0]["why"]


def test_a_bad_configuration_is_not_explained(ini, call):
    status, out, err = call("explain", ini(INI.replace("remote-cc", "remote")), "log")
    assert (status, out) == (78, "")
    assert 'missing option "remote-cc"' in err or "remote-cc" in err


REDIRECT = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [listen:calc]
    protocol = sodep
    address = tcp://127.0.0.1:5001
    type = calc
    [routes]
    calc = h:calc
    [h:calc]
    handler = redirect
    redirects = Sum => h:sum
    [h:sum]
    handler = redirect
    location = socket://127.0.0.1:5002
"""


def test_where_a_redirect_leads(ini, call):
    status, out, _ = call("explain", ini(REDIRECT), "calc.Sum.add")
    assert status == 0
    assert "\n      calls add of the service at socket://127.0.0.1:5002 in sodep ([h:sum])\n" in out


def test_a_manager_is_asked_without_its_state_file(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call("examples", tmp_path)[0] == 0
    (tmp_path / "state").mkdir()
    status, out, _ = call("explain", tmp_path / "conf" / "manager.ini", "mesh.list")
    assert status == 0
    assert "h:manager (ssmmp-manager, line 25): sees each message" in out
    assert not list(tmp_path.rglob("*.db"))


GROUPS = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [routes]
    job = h:pair
    work = h:both
    task = h:by-type
    [h:pair]
    handler = failover
    to = h:all, h:spare
    [h:all]
    handler = balance
    to = h:1, h:2
    [h:both]
    handler = balance
    to = h:5, h:6
    [h:by-type]
    handler = balance
    to = h:3, h:4
    by = hash of type
""" + "".join(
    f"    [h:{name}]\n    handler = proxy\n    heartbeat = 2 s\n"
    f"    remote-cc = tcp://127.0.0.1:50{number}\n"
    for number, name in enumerate(["spare", "1", "2", "3", "4", "5", "6"], 10)
)


def test_the_members_of_a_group_and_which_one_takes_it(ini, call):
    status, out, err = call("explain", ini(GROUPS), "job.x")
    queue = "queue 64 MiB, on-full drop-new"
    assert (status, err) == (0, "")
    assert out.splitlines()[2:-2] == [
        "    h:pair (failover, line 8): forwards to h:all (one of h:1, h:2)",
        "      member h:all",
        "        member h:1",
        f"          tcp://127.0.0.1:5011, {queue}",
        "        member h:2",
        f"          tcp://127.0.0.1:5012, {queue}",
        "      member h:spare, not used while all are up",
        f"        tcp://127.0.0.1:5010, {queue}",
    ]
    assert out.splitlines()[-1] == (
        "  => forwarded: to h:all (one of h:1, h:2), of the 2 members of h:pair; "
        "decided once for the type, no handler runs per message"
    )


def test_a_group_that_chooses_by_type_has_chosen_one(ini, call):
    _, out, _ = call("explain", "--json", ini(GROUPS), "task.a", "work.a", "job.a")
    found = {one["type"]: one["matches"][0]["asked"][0] for one in json.loads(out)}
    [to] = found["task.a"]["destinations"]
    [used] = [one for one in found["task.a"]["members"] if one["used"]]
    assert used["destinations"] == [to] and to["address"] in (
        "tcp://127.0.0.1:5013",
        "tcp://127.0.0.1:5014",
    )
    for type, numbers in (("work.a", (15, 16)), ("job.a", (11, 12))):
        assert [one["address"] for one in found[type]["destinations"]] == [
            f"tcp://127.0.0.1:50{number}" for number in numbers
        ]
