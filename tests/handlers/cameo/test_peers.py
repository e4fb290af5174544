"""Ids and their peers: who has one, what was counted, and how much is remembered."""

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource
from ccproxy_handlers.cameo.peers import REMEMBERED, SHOWN, PeerTable


def source(name, identity):
    return MessageSource(identity, "host:1", "h:x", name, box=Outbox("peer", Limits()))


def test_an_id_is_free_once_its_peer_is_gone():
    table = PeerTable()
    peer = table.enter(source(b"0:0", b"1"), 5.0)
    assert table.peers == {b"0:0": peer}
    peer.counts.received, peer.counts.sent = 2, 3
    assert table.status(9.0) == {
        "peers": 1, "anonymous": 0, "requested": 0, "answered": 0,
        "0:0": {
            "state": "up", "received": 2, "sent": 3, "dropped": 0, "connections": 1, "waiting": 0,
            "seconds": 4, "peer": "host:1",
        },
    }  # fmt: skip
    table.leave(b"1")
    table.leave(b"1")
    assert table.peers == {}
    fact = table.status(9.0)["0:0"]
    assert fact == {"state": "gone", "received": 2, "sent": 3, "dropped": 0, "connections": 1}
    assert table.enter(source(b"0:0", b"2"), 9.0).counts is peer.counts
    assert table.status(9.0)["0:0"]["connections"] == 2


def test_the_end_of_an_old_connection_takes_nothing_from_the_new_one():
    table = PeerTable()
    table.enter(source(b"a", b"1"), 0.0)
    second = table.enter(source(b"a", b"2"), 0.0)
    table.leave(b"1")
    assert table.peers == {b"a": second}


def test_peers_without_a_name_are_counted_together():
    table = PeerTable()
    for number in range(3):
        name = b"\0\0\0\0%d" % number
        table.enter(source(name, name), 0.0).counts.sent += 1
    facts = table.status(0.0)
    assert facts == {"peers": 3, "anonymous": 3, "requested": 3, "answered": 0}


def test_names_that_strangers_make_up_are_forgotten_and_escaped():
    table = PeerTable()
    table.enter(source(b"stays", b"stays"), 0.0)
    for number in range(2 * REMEMBERED):
        name = b"n\n\xff%d" % number
        table.enter(source(name, name), 0.0)
        table.leave(name)
    facts = table.status(0.0)
    names = [name for name, fact in facts.items() if isinstance(fact, dict)]
    assert names[0] == "stays" and len(names) == SHOWN
    assert facts["not-shown"] == REMEMBERED + 1 - SHOWN
    assert names[1].startswith("n\\n\\xff") or names[1].startswith("n\\n\\\\xff")
