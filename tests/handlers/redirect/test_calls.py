from itertools import count

import pytest

from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import Answered, Call, Fault, Result, Tree, Unexecuted, io_fault
from ccproxy_handlers.redirect.actions import CloseConnection, OpenConnection, Respond, WriteRequest
from ccproxy_handlers.redirect.calls import TargetCalls
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.pending import MAX_RETRIES
from ccproxy_handlers.redirect.target import ConnectionLimits, ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}

HERE = Location("h", 8001)


def calls(protocol: str = "sodep", location: Location = HERE, **shape) -> TargetCalls:
    return TargetCalls(
        ServiceTarget(location, PROTOCOLS[protocol], ConnectionLimits(**shape)), count(1)
    )


def call(value: object = None, operation: str = "sum", path: str = "/") -> Call:
    return Call(path, operation, Tree(value))


def ok(id: int, value: object = None) -> Answered:
    return Answered(id, Result(Tree(value)))


def said(action: object) -> tuple[object, str]:
    """A caller and the text of the fault it got."""
    assert isinstance(action, Respond)
    assert isinstance(action.answer, Fault)
    assert action.answer.name == "IOException"
    return action.caller, action.answer.value.tree().payload


def ids(actions: list) -> list[tuple[int, int]]:
    """Connection and id of each request written."""
    found = []
    for action in actions:
        if isinstance(action, WriteRequest):
            (asked,) = Sodep().caller().feed(action.request)
            found.append((action.connection, asked.token.id))
    return found


def test_pipelined_calls_share_a_connection_and_come_back_in_any_order():
    one = calls()
    assert one.ask("a", call(), 0) == [OpenConnection(1, HERE)]
    assert one.ask("b", call(), 0) == []
    assert ids(one.opened(1, 1)) == [(1, 1), (1, 2)]
    assert ids(one.ask("c", call(), 1)) == [(1, 3)]
    assert one.answered(1, [ok(3, 3), ok(1, 1)], 2) == [
        Respond("c", Result(Tree(3))),
        Respond("a", Result(Tree(1))),
    ]
    assert one.answered(1, [ok(2)], 2) == [Respond("b", Result(Tree()))]
    assert len(one) == 0


def test_pipelined_calls_spread_over_the_connections_allowed():
    one = calls(connections=2)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    assert one.ask("b", call(), 0)[1:] == [OpenConnection(2, HERE)]
    assert one.ask("c", call(), 0)[1:] == []
    one.opened(2, 0)
    used = [ids(one.ask("d", call(), 0))[0][0] for _ in range(4)]
    assert sorted(used) == [1, 1, 2, 2]


def test_pooled_calls_have_a_connection_each_up_to_the_limit():
    one = calls(mode="pooled", connections=2)
    assert one.ask("a", call(), 0) == [OpenConnection(1, HERE)]
    assert one.ask("b", call(), 0) == [OpenConnection(2, HERE)]
    assert one.ask("c", call(), 0) == []
    assert ids(one.opened(1, 0)) == [(1, 1)]
    assert ids(one.opened(2, 0)) == [(2, 2)]
    first, second = one.answered(1, [ok(1)], 1)
    assert first == Respond("a", Result(Tree()))
    assert ids([second]) == [(1, 3)]
    one.answered(2, [ok(2)], 1)
    one.answered(1, [ok(3)], 1)
    assert ids(one.ask("d", call(), 2)) == [(1, 4)]


def test_single_calls_have_a_fresh_connection_each():
    one = calls(mode="single", connections=1)
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    one.opened(1, 0)
    assert one.answered(1, [ok(1)], 1) == [
        Respond("a", Result(Tree())),
        CloseConnection(1),
        OpenConnection(2, HERE),
    ]
    assert ids(one.opened(2, 1)) == [(2, 2)]
    assert one.answered(2, [ok(2)], 1) == [Respond("b", Result(Tree())), CloseConnection(2)]


@pytest.mark.parametrize("protocol", ["http", "jsonrpc"])
def test_http_is_never_pipelined(protocol):
    one = calls(protocol, mode="pipelined", connections=1)
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    (write,) = one.opened(1, 0)
    assert write.request.id == 1
    _, write = one.answered(1, [ok(1)], 0)
    assert write.request.id == 2


def test_refused_connections_are_told_to_all_who_wait():
    one = calls()
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    assert list(map(said, one.refused(1, "Connection refused", 1))) == [
        ("a", "Connection refused"),
        ("b", "Connection refused"),
    ]
    assert one.ask("c", call(), 1) == [OpenConnection(2, HERE)]
    assert said(one.refused(2, "", 1)[0]) == ("c", "Connection refused")


def test_a_refusal_waits_for_the_other_connections():
    one = calls(mode="pooled", connections=2)
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    assert one.refused(1, "x", 0) == []
    assert ids(one.opened(2, 0)) == [(2, 1)]
    assert one.refused(1, "x", 0) == []


def test_calls_on_a_lost_connection_get_a_fault_and_are_not_sent_again():
    one = calls()
    one.ask("a", call(), 0)
    one.opened(1, 0)
    one.ask("b", call(), 0)
    assert list(map(said, one.lost(1, "Connection reset", 1))) == [
        ("a", "Connection reset"),
        ("b", "Connection reset"),
    ]
    assert one.ask("c", call(), 2) == [OpenConnection(2, HERE)]
    assert one.lost(1, "again", 2) == []


def test_those_who_wait_behind_a_lost_connection_get_another():
    one = calls(mode="pooled", connections=1)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    one.ask("b", call(), 0)
    actions = one.lost(1, "", 1)
    assert said(actions[0])[0] == "a"
    assert "closed by the service" in said(actions[0])[1]
    assert actions[1:] == [OpenConnection(2, HERE)]
    assert ids(one.opened(2, 1)) == [(2, 2)]


def test_a_silent_service_is_answered_for_at_the_deadline():
    one = calls(timeout=5)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    one.ask("b", call(), 2)
    assert one.deadline() == 5
    assert one.tick(4.9) == []
    assert list(map(said, one.tick(5))) == [("a", "No answer from the service within 5 s")]
    # Nothing was heard: the connection gets no more calls and ends with its last one.
    assert one.ask("c", call(), 5) == [OpenConnection(2, HERE)]
    actions = one.tick(7)
    assert said(actions[0])[0] == "b"
    assert actions[1:] == [CloseConnection(1)]
    assert one.answered(1, [ok(1)], 7) == []


def test_a_late_answer_on_a_living_connection_is_a_stray():
    one = calls(timeout=5)
    one.ask("slow", call(), 0)
    one.opened(1, 0)
    one.ask("b", call(), 1)
    one.answered(1, [ok(2)], 2)
    assert said(one.tick(5)[0])[0] == "slow"
    assert one.answered(1, [ok(1)], 6) == []
    assert one.unmatched == 1
    assert ids(one.ask("c", call(), 6)) == [(1, 3)]
    assert one.deadline() == 11


def test_a_call_that_goes_on_piece_by_piece_has_its_time_again():
    one = calls("http", timeout=30)
    one.ask("large", call(), 0)
    one.ask("small", call(), 1)
    one.opened(1, 1), one.opened(2, 1)
    one.progress(1, 20)
    assert one.deadline() == 31
    [late, *_] = one.tick(32)
    assert said(late)[0] == "small"
    assert one.deadline() == 50
    one.progress(9, 40)  # no such connection


def test_a_pooled_connection_with_a_late_answer_is_closed():
    one = calls(mode="pooled", timeout=5)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    actions = one.tick(5)
    assert said(actions[0])[0] == "a"
    assert actions[1:] == [CloseConnection(1)]


def test_a_connection_that_never_comes_up():
    one = calls(timeout=5)
    one.ask("a", call(), 0)
    actions = one.tick(5)
    assert said(actions[0]) == ("a", "No connection to the service within 5 s")
    assert actions[1:] == [CloseConnection(1)]
    assert one.opened(1, 6) == []
    assert one.deadline() == float("inf")


def test_answers_nobody_waits_for():
    one = calls()
    one.ask("a", call(), 0)
    one.opened(1, 0)
    assert one.answered(1, [ok(99)], 1) == []
    assert one.answered(1, [ok(1), ok(1)], 1) == [Respond("a", Result(Tree()))]
    assert one.unmatched == 2
    assert one.answered(9, [ok(1)], 1) == []


def test_id_zero_answers_the_only_call_but_no_one_of_several():
    one = calls()
    one.ask("a", call(), 0)
    one.opened(1, 0)
    assert one.answered(1, [ok(0, 77)], 1) == [Respond("a", Result(Tree(77)))]
    one.ask("b", call(), 1)
    one.ask("c", call(), 1)
    assert one.answered(1, [ok(0)], 2) == []


def test_a_service_that_ends_the_connection_behind_its_answer():
    one = calls(mode="pooled", connections=1)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    one.ask("b", call(), 0)
    one.ending(1)
    assert one.answered(1, [ok(1)], 1) == [
        Respond("a", Result(Tree())),
        CloseConnection(1),
        OpenConnection(2, HERE),
    ]
    one.ending(99)


def test_idle_connections_are_closed():
    one = calls(idle=2)
    one.ask("a", call(), 0)
    one.opened(1, 0)
    assert one.tick(3) == []
    one.answered(1, [ok(1)], 4)
    assert one.tick(5.9) == []
    assert one.tick(6) == [CloseConnection(1)]
    assert one.ask("b", call(), 6) == [OpenConnection(2, HERE)]


def test_limits_are_answered_with_a_fault():
    one = calls(calls=2)
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    assert said(one.ask("c", call(), 0)[0]) == ("c", "Too many calls: 2 without answer")
    two = calls(bytes=100)
    two.ask("a", call("x" * 200), 0)
    assert "100 bytes without" in said(two.ask("b", call("x" * 200), 0)[0])[1]
    assert len(two) == 1


def test_what_the_protocol_cannot_carry_takes_no_connection():
    one = calls("http")
    (action,) = one.ask("a", call(b"raw"), 0)
    assert said(action) == ("a", "http cannot carry the call: the value: JSON has no form for raw")
    assert len(one) == 0


def test_the_resource_of_the_location_stands_in_front():
    one = calls(location=Location.parse("socket://h:1/!/Inner"))
    one.ask("a", call(path="/A"), 0)
    (write,) = one.opened(1, 0)
    (asked,) = Sodep().caller().feed(write.request)
    assert asked.call.path == "/Inner/A"


def test_retired_calls_end_where_they_were_sent():
    one = calls(mode="pooled", connections=3)
    for caller in "abc":
        one.ask(caller, call(), 0)
    one.opened(1, 0)
    one.opened(2, 0)
    one.answered(1, [ok(1)], 0)
    actions, moved = one.retire(1)
    # "c" went to the connection of "a"; what is still being opened is not needed any more.
    assert moved == []
    assert actions == [CloseConnection(3)]
    assert one.answered(1, [ok(3)], 2) == [Respond("c", Result(Tree())), CloseConnection(1)]
    assert not one.done
    assert said(one.lost(2, "", 2)[0])[0] == "b"
    assert one.done


BUSY = io_fault("busy")


def refused(action: WriteRequest) -> Answered:
    """The service says that it has not executed this request."""
    return Answered(action.id, Unexecuted(BUSY, action.request))


def xml_calls() -> TargetCalls:
    style = CallStyle("xml")
    return TargetCalls(
        ServiceTarget(HERE, PROTOCOLS["http"], ConnectionLimits(timeout=10, connections=0), style),
        count(1),
    )


def test_a_call_that_was_not_executed_is_sent_again_on_a_connection_that_is_open():
    one = xml_calls()
    one.ask("a", call(), 0)
    [sent] = one.opened(1, 0)
    for _ in range(MAX_RETRIES):
        assert one.answered(1, [refused(sent)], 1) == [sent]
    assert one.answered(1, [refused(sent)], 1) == [Respond("a", BUSY)]
    assert len(one) == 0
    [again] = one.ask("b", call(), 1)
    assert again.connection == 1


def test_it_waits_for_a_connection_that_the_service_has_not_closed():
    one = xml_calls()
    one.ask("a", call(), 0)
    one.ask("b", call(), 0)
    [sent] = one.opened(1, 0)
    one.ending(1)
    actions = one.answered(1, [refused(sent)], 1)
    assert CloseConnection(1) in actions and OpenConnection(2, HERE) in actions
    [other] = one.opened(2, 2)
    assert isinstance(other, WriteRequest) and other.id != sent.id
    first, second = one.answered(2, [ok(other.id, 1)], 3)
    assert first == Respond("b", Result(Tree(1)))
    assert second == WriteRequest(2, sent.request, sent.id)
    assert one.tick(11) == [Respond("a", io_fault("No answer from the service within 10 s")),
                            CloseConnection(2)]  # fmt: skip


def test_a_call_whose_port_has_moved_is_not_sent_again():
    one = xml_calls()
    one.ask("a", call(), 0)
    [sent] = one.opened(1, 0)
    one.retire(1)
    assert one.answered(1, [refused(sent)], 1) == [Respond("a", BUSY), CloseConnection(1)]
    assert one.done


def test_a_service_that_takes_one_call_at_a_time_gets_one_connection():
    one = xml_calls()
    assert one.ask("a", call(), 0) == [OpenConnection(1, HERE)]
    assert one.ask("b", call(), 0) == []
    [sent] = one.opened(1, 0)
    assert [type(action) for action in one.answered(1, [ok(sent.id)], 1)] == [Respond, WriteRequest]
    auto = calls("http", connections=0)
    opened = [*auto.ask("a", call(), 0), *auto.ask("b", call(), 0)]
    assert [type(action) for action in opened] == [OpenConnection] * 2
    [first], [second] = auto.opened(1, 0), auto.opened(2, 0)
    # It turns out to take no JSON: the connection that is free first is one too many.
    auto.pool.form.refuses_json = True
    assert CloseConnection(1) in auto.answered(1, [ok(first.id)], 1)
    assert auto.answered(2, [ok(second.id)], 1) == [Respond("b", Result(Tree()))]
