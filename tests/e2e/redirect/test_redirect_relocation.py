"""Services move while clients call: no answer is lost, doubled, or from a place never asked."""

import json
import os
import threading
import time
from itertools import count

import pytest

from ccproxy import cli
from ccproxy.client import Client
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree

ROUTES = "relocate.Sum = h:Sum\n"
MOVES = int(os.environ.get("CCPROXY_RELOCATIONS", "3000"))
"""How often a service is moved while clients call it."""
CLIENTS = 8


def named(name: str, wait: float = 0.0):
    """A service that answers with its name and the number it was asked."""

    def behave(call: Call) -> Result:
        number = call.value.tree().children["n"][0].payload
        if wait:
            time.sleep(wait)
        return Result(Tree(name, {"n": [Tree(number)]}))

    return behave


def numbered(number: int) -> Tree:
    return Tree(None, {"n": [Tree(number)]})


@pytest.fixture
def two(service):
    """Two places of one service."""
    return service("sodep", named("one")), service("sodep", named("two"))


@pytest.fixture
def moving(start, ini, two):
    """A server whose service stands at the first place, and a function that moves it."""

    def moving(**options):
        here = {"location": two[0].location, "relocate-from": "ccserver", **options}
        return start(ini(ROUTES, Sum=here))

    return moving


def test_by_message_while_connections_stay(moving, two, caller, value_of):
    server = moving()
    one = caller()
    with Client(server.address("PORT1")) as client:
        for turn in range(10):
            place = two[turn % 2]
            answer = client.request("relocate.Sum", {"location": place.location}).value["data"]
            assert answer["location"] == place.location
            assert value_of(one.ask("/Sum", "sum", numbered(turn))) == ("one", "two")[turn % 2]
        shown = client.request("relocate.Sum", {}).value["data"]
        assert shown == {**shown, "location": two[1].location, "protocol": "sodep", "calls": 0}


def test_a_call_under_way_is_answered_by_the_old_place(start, ini, service, caller, value_of):
    old, new = service("sodep", named("old", wait=0.5)), service("http", named("new"))
    here = {"location": old.location, "relocate-from": "ccserver"}
    server = start(ini(ROUTES, Sum=here))
    found = []
    slow = caller()
    thread = threading.Thread(
        target=lambda: found.append(value_of(slow.ask("/Sum", "sum", numbered(1))))
    )
    thread.start()
    while not old.calls:
        time.sleep(0.005)
    with Client(server.address("PORT1")) as client:
        fields = {"location": new.location, "protocol": "http"}
        answer = client.request("relocate.Sum", fields).value["data"]
        assert answer["calls"] == 1
        assert answer["before"] == old.location
    assert value_of(caller().ask("/Sum", "sum", numbered(2))) == "new"
    thread.join()
    assert found == ["old"]
    assert len(old.calls) == len(new.calls) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"location": "nowhere"}, "expected socket://HOST:PORT"),
        ({"location": 7}, "expected text"),
        ({"location": "socket://h:1", "protocol": "soup"}, 'no protocol "soup"'),
        ({"location": "socket://h:1", "save": True}, 'no file "state"'),
        ({"save": "yes"}, "expected true or false"),
    ],
)
def test_a_relocation_that_cannot_be_done_changes_nothing(
    moving, two, caller, value_of, fields, says
):
    server = moving()
    with Client(server.address("PORT1")) as client:
        error = client.request("relocate.Sum", fields).value["error"]
        assert says in error["data"]
    assert value_of(caller().ask("/Sum", "sum", numbered(1))) == "one"


def test_a_listener_that_is_not_named_may_not_relocate(moving, two, caller, value_of):
    server = moving(**{"relocate-from": "listen:http"})
    with Client(server.address("PORT1")) as client:
        error = client.request("relocate.Sum", {"location": two[1].location}).value["error"]
        assert "[ccserver] may not relocate [h:Sum]" in error["data"]
    assert value_of(caller().ask("/Sum", "sum", numbered(1))) == "one"
    server.wait_for("relocation refused listener=ccserver")


def test_by_command_and_over_a_restart(start, ini, two, tmp_path, caller, value_of, capsys, fill):
    state = tmp_path / "sum.state"
    here = {"location": two[0].location, "relocate-from": "ccserver", "state": str(state)}
    text = ini(ROUTES, Sum=here)
    server = start(text)
    file = str(server.directory / "server.ini")
    assert cli.main(["relocate", file, "Sum"]) == 0
    assert json.loads(capsys.readouterr().out)["location"] == two[0].location
    assert cli.main(["relocate", file, "Sum", two[1].location, "--save"]) == 0
    assert json.loads(capsys.readouterr().out)["saved"] is True
    assert value_of(caller().ask("/Sum", "sum", numbered(1))) == "two"
    assert server.stop() == 0
    server = start(text, "second")
    assert value_of(caller().ask("/Sum", "sum", numbered(2))) == "two"
    server.wait_for("relocated as saved")
    # A place that is changed in the INI overrules the one that was saved.
    changed = text.replace(two[0].location, two[0].location.replace("127.0.0.1", "localhost"))
    server.reload(fill(changed))
    assert value_of(caller().ask("/Sum", "sum", numbered(3))) == "one"
    assert server.stop() == 0
    state.write_text("no JSON")
    server = start(text, "third")
    assert value_of(caller().ask("/Sum", "sum", numbered(4))) == "one"
    server.wait_for("no saved relocation")
    assert cli.main(["relocate", file, "Sum", "nonsense"]) == 1
    assert "expected socket://HOST:PORT" in capsys.readouterr().err
    assert cli.main(["relocate", file, "Nope", two[1].location]) == 1
    assert "add relocate.Nope = h:Nope" in capsys.readouterr().err


def test_by_reload_calls_under_way_are_still_answered(start, ini, service, caller, value_of):
    old, new = service("sodep", named("old", wait=0.5)), service("sodep", named("new"))
    server = start(ini(Sum={"location": old.location}))
    found = []
    slow = caller()
    thread = threading.Thread(
        target=lambda: found.append(value_of(slow.ask("/Sum", "sum", numbered(1))))
    )
    thread.start()
    while not old.calls:
        time.sleep(0.005)
    text = (server.directory / "server.ini").read_text().replace(old.location, new.location)
    server.reload(text)
    assert value_of(caller().ask("/Sum", "sum", numbered(2))) == "new"
    thread.join()
    assert found == ["old"]
    assert value_of(slow.ask("/Sum", "sum", numbered(3))) == "new"


def test_operations_change_by_reload_while_connections_stay(
    start, ini, service, caller, value_of, until
):
    held, found = threading.Event(), []

    def hold(call: Call) -> Result:
        held.wait(60)
        return Result(Tree(call.operation))

    one, two = service("sodep", named("one")), service("sodep", hold)
    server = start(
        ini(
            One={"location": one.location},
            Two={"location": two.location, "timeout": "60 s"},
            calc="operations = sum => h:One, slow => h:Two",
        )
    )
    quick, slow = caller(), caller()
    assert value_of(quick.ask("/", "sum", numbered(1))) == "one"
    assert value_of(quick.ask("/", "mul", numbered(2))) == ("IOException", "Invalid operation: mul")
    thread = threading.Thread(
        target=lambda: found.append(value_of(slow.ask("/", "slow", numbered(3))))
    )
    thread.start()
    until(lambda: two.calls)
    text = (server.directory / "server.ini").read_text()
    server.reload(text.replace("slow => h:Two", "mul => h:One"))
    assert value_of(quick.ask("/", "mul", numbered(4))) == "one"
    gone = value_of(quick.ask("/", "slow", numbered(5)))
    held.set()
    thread.join()
    assert gone == ("IOException", "Invalid operation: slow") and found == ["slow"]
    assert value_of(slow.ask("/", "sum", numbered(6))) == "one"


def test_the_end_of_the_server_is_an_answer_too(start, ini, service, caller, until):
    silent = service("sodep", lambda call: None)
    server = start(ini(Sum={"location": silent.location}))
    one = caller()
    found = []
    thread = threading.Thread(target=lambda: found.append(one.ask("/Sum", "sum", numbered(1))))
    thread.start()
    until(lambda: silent.calls)
    began = time.monotonic()
    assert server.stop() == 0
    thread.join()
    assert time.monotonic() - began < 30  # the call itself may take 60 s
    [fault] = found
    assert isinstance(fault, Fault)
    assert fault.value.tree().payload == "The redirector stops"


def test_thousands_of_relocations_while_eight_clients_call(moving, two, caller, until):
    server = moving()
    asked = [count(number << 24) for number in range(CLIENTS)]
    came = [0] * CLIENTS
    wrong, ended = [], threading.Event()

    def call(index: int, one) -> None:
        while not ended.is_set():
            number = next(asked[index])
            answer = one.ask("/Sum", "sum", numbered(number))
            tree = answer.value.tree()
            if isinstance(answer, Fault) or tree.children["n"][0].payload != number:
                wrong.append(answer)
                return
            came[index] += 1

    threads = [threading.Thread(target=call, args=(index, caller())) for index in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        with Client(server.address("PORT1")) as client:
            for turn in range(MOVES):
                place = two[(turn + 1) % 2]
                answer = client.request("relocate.Sum", {"location": place.location})
                assert answer.value["data"]["location"] == place.location
                if not turn % 200:
                    before = sum(came)
                    until(lambda: wrong or sum(came) >= before + CLIENTS)  # noqa: B023
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not wrong
    seen = [one.value.tree().children["n"][0].payload for place in two for one in place.calls]
    assert len(seen) == len(set(seen)) == sum(came)
    assert all(len(place.calls) > CLIENTS for place in two)
