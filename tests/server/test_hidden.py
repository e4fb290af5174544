"""What stays of a status without names: sections and numbers."""

from dataclasses import replace

from ccproxy.server.delivery_values import RememberedStatus
from ccproxy.server.hidden import HIDDEN, without_names
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
)
from tests.server.test_delivery_values import DELIVERY

SINK = SinkStatus("h:next 10.9.8.7:3", 9, 2, 3, 300, {"full": 4})
STATUS = Status(
    ProcessStatus("x", "/home/me/x.ini", "1", 7, 0, 1.0, 2.0, (1.5, 0.25), "L", "3", "c"),
    (ListenerStatus("ccserver", "cc", "tcp://10.9.8.7:1", 3, 1, {"accepted": 5}),),
    (LinkStatus("h:next", "tcp://10.9.8.7:3", "refused", "10.9.8.7 says no", 2, SINK),),
    (HandlerStatus("h:next", "proxy", {"job": "10.9.8.7"}, {"job": 1}, "job", {"slow": 2}),),
    (RouteStatus("job.name", ("h:next",)),),
    SinksStatus(4, 6, 600, {}, (replace(SINK, name="ccserver bob@10.9.8.7:5"),), {}),
    3, 9, LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50}),
)  # fmt: skip


def test_no_text_of_peers_and_handlers_is_left():
    found = without_names(STATUS)
    assert not [one for one in ("10.9.8.7", "bob", "job", "/home", "says") if one in repr(found)]
    assert found.process.file == found.listeners[0].address == found.links[0].address == HIDDEN
    assert found.sinks.worst[0].name == "ccserver" and found.links[0].sink.name == "h:next"


def test_what_is_known_of_acknowledged_delivery_names_no_peer_and_no_file():
    spool = replace(DELIVERY.spool, folder="/home/me", problem="/home/me is full", damage="")
    [link] = (replace(one, delivery=replace(DELIVERY, spool=spool)) for one in STATUS.links)
    remembered = RememberedStatus("aa", "ccserver", "10.9.8.7:5", True, 9, 0, 0, 0, 0, 0)
    senders = {"remembered": (remembered,), "clients": (remembered,)}
    found = without_names(replace(STATUS, links=(link,), **senders))
    assert "10.9.8.7" not in repr(found) and "/home" not in repr(found)
    shown = found.links[0].delivery
    assert shown == replace(DELIVERY, spool=replace(spool, folder=HIDDEN, problem=HIDDEN))
    assert found.remembered == found.clients == (replace(remembered, peer=HIDDEN),)


def test_sections_and_numbers_stay():
    found = without_names(STATUS)
    assert (found.ledger, found.peers, found.flows) == (STATUS.ledger, 3, 9)
    assert found.listeners[0].counts == {"accepted": 5}
    assert found.links[0].state == "refused" and found.links[0].sink.dropped == {"full": 4}
    assert found.handlers[0].section == "h:next" and found.handlers[0].faults == {"slow": 2}
    assert found.sinks.waiting == 6
