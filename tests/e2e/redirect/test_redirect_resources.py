"""Resources come and go while clients call: listed, added, removed, saved, by verb and message."""

import json
import threading
import time

import pytest

from ccproxy import cli
from ccproxy.client import Client
from ccproxy.commands.keygen import certificates
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree

ROUTES = "relocate = h:calc\nrelocate.calc = h:calc\n"
CALC = "relocate-from = ccserver\nstate = {}"
CHANGES = 300


def named(name: str, wait: float = 0.0):
    """A service that answers with its name."""

    def behave(call: Call) -> Result:
        if wait:
            time.sleep(wait)
        return Result(Tree(name))

    return behave


@pytest.fixture
def two(service):
    return service("sodep", named("one")), service("http", named("two"))


@pytest.fixture
def changing(start, ini, two, tmp_path):
    """A server with one resource in its INI, and the text of the INI."""
    text = ini(ROUTES, CALC.format(tmp_path / "calc.state"), Sum={"location": two[0].location})
    return start(text), text


@pytest.fixture
def relocate(capsys):
    """`ccserver relocate` with these words: exit status, what is printed, what is complained of."""

    def relocate(*words):
        status = cli.main(["relocate", *words])
        return status, *capsys.readouterr()

    return relocate


@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc", "soap"])
def test_callers_of_every_protocol_see_a_resource_come_and_go(
    changing, two, caller, value_of, relocate, protocol
):
    file = str(changing[0].directory / "server.ini")
    one = caller(protocol)
    assert value_of(one.ask("/Sum")) == "one"
    name, text = value_of(one.ask("/Mul"))
    assert (name, text) == ("IOException", "Unknown resource: /Mul; there are Sum")
    words = ("--add", "Mul", two[1].location, "--protocol", "http")
    assert relocate(file, "calc", *words)[0] == 0
    for _ in range(3):
        assert value_of(one.ask("/Mul")) == "two"
    assert relocate(file, "calc", "--add", "Mul", "h:Sum")[0] == 0
    assert value_of(one.ask("/Mul")) == "one"
    assert relocate(file, "calc", "--remove", "Sum")[0] == 0
    assert value_of(one.ask("/Sum")) == ("IOException", "Unknown resource: /Sum; there are Mul")
    assert relocate(file, "calc", "--add", "Sum", "h:Sum")[0] == 0
    assert value_of(one.ask("/Sum")) == "one"


def test_the_list_the_status_and_why_show_what_is_changed(changing, two, relocate, capsys):
    server = changing[0]
    file, where = str(server.directory / "server.ini"), two[1].location
    relocate(file, "calc", "--add", "Mul", where, "--protocol", "http", "--save")
    relocate(file, "calc", "--remove", "Sum")
    for to in (file, server.address("PORT1")):
        status, out, _ = relocate(to, "--json")
        places = {(one["redirect"], one["resource"]): one for one in json.loads(out)}
        assert places["h:calc", "Mul"]["to"] == f"{where} in http"
        assert places["h:calc", "Mul"]["changed"] == "added, saved"
        assert places["h:calc", "Mul"]["state"].endswith("calc.state")
        assert places["h:calc", "Sum"]["changed"] == "removed"
        # h:Sum has no relocate-from: nobody may ask for it by message.
        assert (("h:Sum", "") in places) == (to == file)
    assert "added, saved" in relocate(file)[1]
    cli.main(["status", "--json", file])
    [calc] = [one for one in json.loads(capsys.readouterr().out)["handlers"]
              if one["section"] == "h:calc"]  # fmt: skip
    assert calc["facts"]["resources"] == {"Mul": f"{where} in http"}
    # Its exit status is another matter: on a busy machine a change may count as slow.
    cli.main(["why", file, "calc.Mul.sum"])
    assert f"calls sum of the service at {where} in http" in capsys.readouterr().out
    assert cli.main(["why", file, "calc.Sum.sum"]) == 1
    assert "fault: Unknown resource: /Sum; there are Mul" in capsys.readouterr().out


def test_why_finds_what_goes_wrong_behind_a_table(start, ini, service, caller, capsys):
    gone = service("sodep", named("one"))
    location = gone.location
    gone.close()
    server = start(ini(Sum={"location": location}))
    assert isinstance(caller().ask("/Sum"), Fault)
    assert cli.main(["why", str(server.directory / "server.ini"), "calc.Sum.sum"]) == 1
    assert "h:Sum: 1 call unanswered" in capsys.readouterr().out


def test_what_is_saved_is_there_after_a_kill(
    changing, start, two, caller, value_of, relocate, tmp_path
):
    server, text = changing
    file = str(server.directory / "server.ini")
    relocate(file, "calc", "--add", "Mul", two[1].location, "--protocol", "http", "--save")
    relocate(file, "calc", "--add", "Tmp", two[1].location, "--protocol", "http")
    relocate(file, "calc", "--remove", "Sum", "--save")
    server.kill()
    start(text, "second")
    one = caller()
    assert value_of(one.ask("/Mul")) == "two"
    for gone in ("/Tmp", "/Sum"):
        assert value_of(one.ask(gone))[1] == f"Unknown resource: {gone}; there are Mul"


def test_a_call_under_way_is_answered_though_its_resource_is_removed(
    changing, service, caller, value_of, relocate, until
):
    slow = service("sodep", named("slow", wait=0.5))
    file = str(changing[0].directory / "server.ini")
    relocate(file, "calc", "--add", "Slow", slow.location)
    found = []
    one = caller()
    thread = threading.Thread(target=lambda: found.append(value_of(one.ask("/Slow"))))
    thread.start()
    until(lambda: slow.calls)
    status, out, _ = relocate(file, "calc", "--remove", "Slow")
    assert (status, json.loads(out)["calls"]) == (0, 1)
    assert value_of(caller().ask("/Slow"))[0] == "IOException"
    thread.join()
    assert found == ["slow"]
    until(lambda: "ending" not in json.loads(relocate(file, "calc")[1]))


def test_resources_change_all_the_time_while_clients_call(changing, two, caller, until):
    """Each call gets the answer of a place that its resource had, or a clear fault."""
    server = changing[0]
    ended, wrong, came = threading.Event(), [], [0, 0]

    def call(path, allowed, place, one):
        while not ended.is_set():
            answer = one.ask(path).value.tree().payload
            if not str(answer).startswith(allowed):
                wrong.append(answer)
                return
            came[place] += 1

    threads = [
        threading.Thread(target=call, args=args)
        for args in (("/Mul", ("one", "two", "Unknown resource"), 0, caller()),
                     ("/Sum", ("one",), 1, caller()))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    try:
        with Client(server.address("PORT1")) as client:
            for turn in range(CHANGES):
                fields = ({"add": "Mul", "location": two[0].location},
                          {"add": "Mul", "location": two[1].location, "protocol": "http"},
                          {"remove": "Mul"})[turn % 3]  # fmt: skip
                value = client.request("relocate.calc", {"protocol": "sodep", **fields}
                                       if "location" in fields else fields).value  # fmt: skip
                assert "data" in value, value
        before = list(came)
        until(lambda: wrong or all(now > then for now, then in zip(came, before, strict=True)))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_calls_on_the_fast_path_follow_the_table_at_once(changing, two, caller, value_of, relocate):
    """Of one caller that never disconnects, whose calls have long gone straight to the service."""
    file = str(changing[0].directory / "server.ini")
    one = caller()
    for _ in range(5):
        assert value_of(one.ask("/Sum/Inner")) == "one"
    words = ("--add", "Sum/Inner", two[1].location, "--protocol", "http")
    assert relocate(file, "calc", *words)[0] == 0
    assert value_of(one.ask("/Sum/Inner")) == "two"
    assert value_of(one.ask("/Sum")) == "one"
    assert relocate(file, "calc", "--remove", "Sum")[0] == 0
    assert value_of(one.ask("/Sum"))[0] == "IOException"
    assert value_of(one.ask("/Sum/Inner")) == "two"
    assert relocate(file, "calc", "--remove", "Sum/Inner")[0] == 0
    assert value_of(one.ask("/Sum/Inner"))[0] == "IOException"
    assert relocate(file, "calc", "--add", "Sum", "h:Sum")[0] == 0
    for _ in range(3):
        assert value_of(one.ask("/Sum/Inner")) == "one"


PROVEN = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = insecure
curve-secret = {keys}/server.key_secret
[listen:calc]
protocol = http
address = tcp://127.0.0.1:PORT3
type = calc
[allow:operator]
curve = {public}
{operate}
[routes]
calc = h:calc
relocate = h:calc
relocate.calc = h:calc
[h:calc]
handler = redirect
redirects = Sum => h:sum
relocate-from = ccserver
[h:sum]
handler = redirect
location = socket://127.0.0.1:PORT2
"""


def test_resources_are_changed_by_those_alone_who_may_operate(start, fill, ports, tmp_path, capsys):
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("server", "operator"):
        assert certificates(keys / name) == 0
    public = (keys / "operator.key").read_text().partition('public-key = "')[2].partition('"')[0]

    def text(operate):
        return fill(PROVEN.format(keys=keys, public=public, operate=operate))

    def sent(type, fields, seconds="60"):
        capsys.readouterr()
        proof = ("--curve-server", f"{keys}/server.key", "--curve-secret",
                 f"{keys}/operator.key_secret")  # fmt: skip
        to = f"tcp://127.0.0.1:{ports['PORT1']}"
        status = cli.main(["send", *proof, to, type, json.dumps(fields), "--wait", "1",
                           "--timeout", seconds])  # fmt: skip
        return status, capsys.readouterr().out

    add = {"add": "Mul", "location": "socket://127.0.0.1:1"}
    server = start(text("send = calc.*, relocate.*"))
    for type, fields in (("relocate.calc", add), ("relocate", {}), ("relocate.calc", {})):
        assert sent(type, fields, "3") == (1, ""), type
    server.wait_for("see [allow:operator]")
    server.reload(text("operate = yes"))
    assert '"h:calc"' in sent("relocate", {})[1]
    assert '"resources": {"Sum": "h:sum"}' in sent("relocate.calc", {})[1]
    assert '"before": null' in sent("relocate.calc", add)[1]
    server.stop()
    assert server.ledger()["refused"] == 3
