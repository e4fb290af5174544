"""Graphs of plans and of two looks at a server: nodes, edges, rates, what is wrong."""

from dataclasses import replace

import pytest

from ccproxy.commands.topology import TrafficLook, of_looks
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    SinkStatus,
    Status,
    TypeStatus,
)

SINK = SinkStatus("h:far", 9, 100, 3, 300, {"full": 4})
STATUS = Status(
    ProcessStatus("hub", "/x.ini", "1", 7, 0, 1.0, 100.0, (0.1,), "L", "3", "c"),
    (
        ListenerStatus("ccserver", "cc", "tcp://1:1", 3, 0, {}, received=1000),
        ListenerStatus("h:subs", "zmq", "tcp://1:2", 4, 0, {}),
    ),
    (LinkStatus("h:far", "tcp://1:3", "up", "", 1, replace(SINK, dropped={}, waiting=0)),),
    (
        HandlerStatus("h:far", "proxy", {}, {}), HandlerStatus("h:subs", "zmq", {}, {}),
        HandlerStatus("h:some", "filter", {}, {}, faults={"failed": 1}),
    ),
    (RouteStatus("a", ("h:some",)), RouteStatus("a.b", ("h:subs",))),
    SinksStatus(2, 3, 300, {}, (), {"h:subs": {"full": 6}}), 1, 1,
    LedgerStatus(1000, 1, {"forwarded": 1000}, {}),
)  # fmt: skip
TYPES = {
    "a.x": TypeStatus("a.x", 50, 1, ("h:far",)),
    "a.b.c": TypeStatus("a.b.c", 10, 1, ("h:far", "h:subs")),
}


def later(seconds=2.0, started=1.0):
    process = replace(STATUS.process, time=100.0 + seconds, started=started)
    links = (replace(STATUS.links[0], state="refused", sink=replace(SINK, sent=140)),)
    listeners = (replace(STATUS.listeners[0], received=1200), *STATUS.listeners[1:])
    ledger = LedgerStatus(1200, 1, {"forwarded": 1190, "unrouted": 10}, {})
    types = {name: replace(one, messages=one.messages + 20) for name, one in TYPES.items()}
    now = replace(STATUS, process=process, listeners=listeners, links=links, ledger=ledger)
    return TrafficLook(now, types)


def edges(found):
    """By the names of both nodes, the rate."""
    names = {id: f"{node.kind} {node.name}" for id, node in found.nodes.items()}
    return {(names[one.source], names[one.target]): one.rate for one in found.edges}


def test_a_running_server_with_its_rates():
    found = of_looks(TrafficLook(STATUS, TYPES), later())
    assert edges(found) == {
        ("listener ccserver", "server hub"): 100.0,
        ("server hub", "route a"): 20.0,
        ("server hub", "route a.b"): 10.0,
        ("route a", "handler h:some"): 0.0,
        ("route a", "handler h:far"): 20.0,  # to which the filter passes it
        ("route a.b", "handler h:subs"): 10.0,
        ("route a.b", "handler h:far"): 10.0,
        ("handler h:subs", "peers h:subs"): None,
        ("handler h:far", "link h:far"): 20.0,
        ("server hub", "fate unrouted"): 5.0,
    }
    wrong = {node.name for node in found.nodes.values() if node.wrong}
    assert wrong == {"h:some", "h:subs", "h:far", "unrouted"}
    [link] = [node for node in found.nodes.values() if node.kind == "link"]
    assert link.about == "tcp://1:3 refused, waiting 3, dropped full:4"


def test_a_server_that_was_started_meanwhile_counts_from_its_start():
    found = edges(of_looks(TrafficLook(STATUS, TYPES), later(started=82.0)))
    assert found["handler h:far", "link h:far"] == 7.0
    assert found["server hub", "route a.b"] == 1.5


def test_each_listener_has_its_rate():
    other = ListenerStatus("listen:x", "zmq", "tcp://1:9", 0, 0, {}, listening=False, received=50)
    after = later()
    status = replace(after.status, listeners=(*after.status.listeners, other))
    found = of_looks(TrafficLook(STATUS, TYPES), TrafficLook(status, after.types))
    rates = edges(found)
    assert rates["listener ccserver", "server hub"] == 100.0
    assert rates["listener listen:x", "server hub"] == 25.0  # it is new
    assert [one.name for one in found.nodes.values() if one.kind == "listener" and one.wrong] == [
        "listen:x"
    ]


def test_members_stand_behind_their_group():
    members = [{"section": "h:far"}, {"section": "h:none"}, {"section": 1}, "h:far"]
    group = HandlerStatus("h:group", "failover", {"members": members, "to": ["h:far"]}, {})
    odd = HandlerStatus("h:odd", "plugin", {"members": 5}, {})
    after = later()
    grouped = replace(after.status, handlers=(*after.status.handlers, group, odd))
    found = edges(of_looks(TrafficLook(STATUS, TYPES), replace(after, status=grouped)))
    behind = {
        target: rate for (source, target), rate in found.items() if source == "handler h:group"
    }
    assert behind == {"handler h:far": None}  # the filter leads there as well
    assert not [source for source, _ in found if source == "handler h:odd"]


@pytest.mark.parametrize(("route", "rate"), [("h:some", 15.0), ("h:far", None)])
def test_what_a_group_gives_to_a_member(route, rate):
    facts = {"members": [{"section": "h:far"}, {"section": "h:subs"}], "to": ["h:far"]}
    handlers = (*STATUS.handlers, HandlerStatus("h:group", "failover", facts, {}))
    routes = (RouteStatus("a", (route,)),)
    before = replace(STATUS, handlers=handlers, routes=routes)
    [link] = STATUS.links
    links = (replace(link, sink=replace(link.sink, queued=link.sink.queued + 30)),)
    process = replace(STATUS.process, time=102.0)
    found = edges(
        of_looks(
            TrafficLook(before, {}), TrafficLook(replace(before, process=process, links=links), {})
        )
    )
    assert found["handler h:group", "handler h:far"] == rate
    assert found["handler h:group", "handler h:subs"] is None  # the queues of peers are not known


def grouped(*members, to):
    """The handlers of a server with a group of h:far and h:subs, by name: what is said of each."""
    states = [{"section": name, "state": state} for name, state in members]
    group = HandlerStatus("h:group", "failover", {"members": states, "to": to}, {})
    status = replace(STATUS, handlers=(*STATUS.handlers[:2], group))
    found = of_looks(TrafficLook(status, {}), TrafficLook(status, {}))
    nodes = [one for one in found.nodes.values() if one.kind == "handler"]
    return {one.name: (one.about, one.wrong) for one in nodes}


def test_a_group_says_how_many_members_are_up_and_which_are_not_used():
    assert grouped(("h:far", "up"), ("h:subs", "refused"), to=["h:far"]) == {
        "h:far": ("proxy", False),
        "h:subs": ("zmq, not used", False),
        "h:group": ("failover, members: 1 of 2 up", False),
    }
    found = grouped(("h:far", "paused"), ("h:subs", "refused"), to=["h:far"])
    assert found["h:group"] == ("failover, members: none of 2 up", True)
