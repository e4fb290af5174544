"""Events over a PUB socket to libzmq, over a link to another server, and what happens if they
cannot be delivered."""

import json

import pytest
import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 0 ms
[listen:keys]
protocol = cc
address = tcp://127.0.0.1:PORT5
max-peers-per-address = 1
[routes]
event = h:watch, h:site
data = h:dead
[h:watch]
handler = zmq
socket = pub
bind = tcp://127.0.0.1:PORT2
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
reconnect-max = 50 ms
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
queue-messages = 2
"""
SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT3
cc-role = remote
[routes]
event = h:watch
[h:watch]
handler = zmq
socket = pub
bind = tcp://127.0.0.1:PORT6
"""


def status_of(server):
    return json.loads(server.verb("status", "--json").stdout)


def subscribed(server):
    [fact] = [one["facts"] for one in status_of(server)["handlers"] if one["section"] == "h:watch"]
    return fact["subscriptions"]


class Watcher:
    """A SUB socket of libzmq; what it has seen."""

    def __init__(self, sub):
        self.sub = sub
        self.seen = []

    def wait(self, **wanted):
        """The next event with these values."""
        while True:
            text, signature = self.sub.recv_multipart()
            assert signature == b"" and text.startswith(b'{"req": "event.')
            value = json.loads(text)
            self.seen.append(value)
            if wanted.items() <= value.items():
                return value


@pytest.fixture
def watch(make, until):
    """A SUB socket at a port of a server."""

    def watch(server, port, prefix=b""):
        sub = make(zmq.SUB, f"tcp://127.0.0.1:{server.ports[port]}", subscribe=prefix)
        until(lambda: subscribed(server))
        return Watcher(sub)

    return watch


def test_what_happens_is_seen_by_a_zeromq_program(start, dial, watch):
    server = start(SERVER)
    watcher = watch(server, "PORT2")
    site = start(SITE, "site")
    assert watcher.wait(req="event.link.up", section="h:site")["count"] == 1
    wire = dial().greet()
    for _ in range(7):
        wire.send(b"", b"data", b"1")
    full = watcher.wait(req="event.queue.full", section="h:dead")
    assert (full["reason"], full["server"]) == ("full", "server") and 1 <= full["count"] <= 5
    dial("PORT5").greet()
    dial("PORT5")
    refused = watcher.wait(req="event.peer.refused")
    assert (refused["section"], refused["reason"]) == ("listen:keys", "per-address")
    site.stop()
    assert watcher.wait(req="event.link.down", section="h:site")["reason"] == "connecting"
    server.verb("reload").check_returncode()
    assert watcher.wait(req="event.reload")["reason"] == "adopted"
    assert server.stop() == 0
    ledger = server.ledger()
    assert ledger["received"] >= 7 + len(watcher.seen)  # the audit adds up all fates


def test_events_cross_a_link_to_another_server(start, watch):
    site = start(SITE, "site")
    watcher = watch(site, "PORT6", b'{"req": "event.reload"')
    server = start(SERVER)
    server.wait_for("link up link=h:site")
    server.verb("reload").check_returncode()
    assert watcher.wait()["reason"] == "adopted"
    assert {one["req"] for one in watcher.seen} == {"event.reload"}


LOST = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 0 ms
[routes]
event = h:dead
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
queue-messages = 1
"""


def test_events_that_cannot_be_delivered_make_no_others(start, until):
    """The only queue is that of the events: it is full after the first one."""
    server = start(LOST)
    until(lambda: status_of(server)["ledger"]["received"] >= 1)
    for number in range(1, 4):
        server.verb("reload").check_returncode()
        server.wait_for_count("reloaded: ", number)
    lost = until(lambda: status_of(server)["ledger"]["fates"].get("full", 0))
    found = status_of(server)["ledger"]
    assert lost and found["received"] == sum(found["fates"].values())
    [types] = [json.loads(server.verb("status", "types", "--json").stdout)]
    assert {one["type"] for one in types} <= {"event.link.down", "event.reload"}


def test_no_events_without_a_route(start):
    server = start(LOST.replace("event = ", "* = "))
    server.verb("reload").check_returncode()
    assert status_of(server)["ledger"]["received"] == 0
