"""Verbs that change a running server, with real peers: drop-peer, pause, resume, drain."""

import json
import re
import socket
import subprocess
import sys

import pytest
import zmq

SECONDS = 60
NEAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 100 ms
[routes]
data = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
reconnect-max = 50 ms
queue-messages = 10
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
[routes]
data = h:bin
[h:bin]
handler = disposer
"""


def status_of(server):
    return json.loads(server.verb("status", "--json").stdout)


def link_of(server):
    [link] = status_of(server)["links"]
    return link["state"], link["sink"]["waiting"]


def sink_of(server):
    [link] = status_of(server)["links"]
    return link["sink"]


@pytest.fixture
def sites(start):
    far, near = start(FAR, "far"), start(NEAR, "near")
    near.wait_for("link up link=h:far")
    return near, far


def test_messages_wait_while_a_link_is_paused(sites, dial, until):
    near, far = sites
    wire = dial().greet()
    done = near.verb("pause", "h:far")
    assert (done.returncode, done.stdout) == (0, "paused 1 link of h:far\n")
    for _ in range(5):
        wire.send(b"", b"data.x", b"1")
    until(lambda: link_of(near) == ("paused", 5))
    first = until(lambda: sink_of(near)["age"])
    second = until(lambda: (sink := sink_of(near))["age"] > first and sink)
    assert second["fill"] == 0.5
    assert re.search(r"h:far .* paused .* 5 +\d+\.\d s +50% ", near.verb("status", "links").stdout)
    done = near.verb("resume", "h:far")
    assert (done.returncode, done.stdout) == (0, "resumed 1 link of h:far\n")
    until(lambda: link_of(near) == ("up", 0))
    near.stop()
    far.stop()
    assert far.ledger() == {"received": 5, "discarded": 5}


def test_a_peer_is_closed_and_may_come_again(sites, make, until):
    near, _ = sites
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{near.ports['PORT1']}", identity=b"me")
    client.send_multipart([b"", b"data.x", b"1"])

    def peers():
        done = near.verb("status", "peers", "--json")
        return [one["sink"]["name"].partition(" ")[2] for one in json.loads(done.stdout)]

    [before] = until(peers)
    done = near.verb("drop-peer", before)
    assert (done.returncode, done.stdout) == (0, "closed 1 connection\n")
    [after] = until(lambda: [name for name in peers() if name != before])
    assert after.rpartition(":")[0] == before.rpartition(":")[0]
    done = near.verb("drop-peer", "10.9.8.7")
    assert done.returncode == 1 and "no peer is called 10.9.8.7" in done.stderr


def test_a_drain_delivers_all_and_ends(sites, dial, until, start):
    near, far = sites
    wire = dial().greet()
    far.stop()
    until(lambda: link_of(near)[0] != "up")
    for _ in range(7):
        wire.send(b"", b"data.x", b"1")
    until(lambda: link_of(near)[1] == 7)
    draining = subprocess.Popen(
        [sys.executable, "-m", "ccproxy", "drain", str(near.directory / "server.ini")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    near.wait_for("draining: no more messages are taken")
    assert wire.closed()
    again = start(FAR, "again")
    out, err = draining.communicate(timeout=SECONDS)
    assert (draining.returncode, out) == (0, "all is delivered, the server stops\n"), err
    assert near.process.wait(SECONDS) == 0
    again.stop()
    assert again.ledger() == {"received": 7, "discarded": 7}
    assert near.ledger() == {"received": 7, "forwarded": 7}


def test_a_drain_that_is_cancelled_takes_messages_again(sites, dial, until, start):
    near, far = sites
    wire = dial().greet()
    far.stop()
    until(lambda: link_of(near)[0] != "up")
    wire.send(b"", b"data.x", b"1")
    until(lambda: link_of(near)[1] == 1)
    assert near.verb("drain", "--cancel").returncode == 1
    draining = subprocess.Popen(
        [sys.executable, "-m", "ccproxy", "drain", str(near.directory / "server.ini")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    near.wait_for("draining: no more messages are taken")
    assert wire.closed()
    with socket.create_server(("127.0.0.1", near.ports["PORT1"])):
        done = near.verb("drain", "--cancel")
        assert done.returncode == 1
        assert "Address already in use" in done.stderr and "the drain goes on" in done.stderr
        assert "draining: no more messages" in near.verb("status").stdout
    done = near.verb("drain", "--cancel")
    said = "the drain is cancelled, the server accepts again\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    out, err = draining.communicate(timeout=SECONDS)
    assert (draining.returncode, out) == (1, "") and "the drain was cancelled" in err
    dial().greet().send(b"", b"data.x", b"2")
    until(lambda: link_of(near)[1] == 2)
    assert "draining" not in near.verb("status").stdout
    again = start(FAR, "again")
    until(lambda: link_of(near) == ("up", 0))
    near.stop()
    again.stop()
    assert again.ledger() == {"received": 2, "discarded": 2}
    assert near.ledger() == {"received": 2, "forwarded": 2}


CHOSEN_PORTS = """
[ccserver]
cc-socket = tcp://127.0.0.1:*
cc-role = remote
linger = 100 ms
[listen:ipc]
protocol = cc
address = ipc://DIRECTORY/cc
[routes]
bus = h:subscribers
data = h:far
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:*, ipc://DIRECTORY/bus
[h:xmsg]
handler = xmsg-proxy
address = tcp://127.0.0.1:PORT2
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT1
"""


def reachable(addresses):
    """Those of the addresses that take a connection now."""
    found = []
    for address in addresses:
        scheme, _, place = address.partition("://")
        family = socket.AF_UNIX if scheme == "ipc" else socket.AF_INET
        with socket.socket(family) as one:
            where = place if scheme == "ipc" else ("127.0.0.1", int(place.rpartition(":")[2]))
            if not one.connect_ex(where):
                found.append(address)
    return found


def test_a_drain_closes_the_addresses_of_handlers_and_its_end_opens_the_same(
    start, make, until, tmp_path
):
    near = start(CHOSEN_PORTS.replace("DIRECTORY", str(tmp_path)), "near")

    def listeners():
        return {one["address"]: one["listening"] for one in status_of(near)["listeners"]}

    def offer(words):
        client.send_multipart([b"", b"bus", words])

    addresses = list(listeners())
    assert len(addresses) == 7 and reachable(addresses) == addresses
    of_section = {one["section"]: one["address"] for one in status_of(near)["listeners"]}
    [bus, _] = [one["address"] for one in status_of(near)["listeners"]
                if one["section"] == "h:subscribers"]  # fmt: skip
    earlier = make(zmq.SUB, bus)
    earlier.subscribe(b"")
    client = make(zmq.DEALER, of_section["ccserver"])
    client.send_multipart([b"", b"data.x", b"1"])
    until(lambda: link_of(near)[1] == 1)
    drain = subprocess.Popen(
        [sys.executable, "-m", "ccproxy", "drain", str(near.directory / "server.ini")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    near.wait_for("draining: no more messages are taken")
    assert reachable(addresses) == [] and not any(listeners().values())
    near.verb("reload").check_returncode()
    assert reachable(addresses) == []
    with socket.create_server(("127.0.0.1", int(bus.rpartition(":")[2]))):
        done = near.verb("drain", "--cancel")
        assert done.returncode == 1
        assert f"[h:subscribers] cannot listen on {bus}: Address already in use" in done.stderr
    assert reachable(addresses) == []
    near.verb("drain", "--cancel").check_returncode()
    assert drain.wait(SECONDS) == 1
    assert listeners() == dict.fromkeys(addresses, True) and reachable(addresses) == addresses
    later = make(zmq.SUB, bus)
    later.subscribe(b"")
    for one in (earlier, later):
        until(lambda one=one: (offer(b"again"), one.poll(20))[1])
        assert one.recv_multipart()[-1] == b"again"


WORK = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 100 ms
[routes]
jobs = h:work
[h:work]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT2
"""


def test_a_drain_waits_for_workers_to_take_what_there_is(start, make, until):
    near = start(WORK, "near")
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{near.ports['PORT1']}")
    for number in range(10):
        client.send_multipart([b"", b"jobs.x", b"%d" % number])
    until(lambda: near.facts("h:work")["waiting"] == 10)
    drain = subprocess.Popen(
        [sys.executable, "-m", "ccproxy", "drain", "--json", str(near.directory / "server.ini")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert json.loads(drain.stdout.readline()) == {"waiting": 10}
    worker = make(zmq.PULL, f"tcp://127.0.0.1:{near.ports['PORT2']}")
    assert [worker.recv_multipart()[-1] for _ in range(10)] == [b"%d" % one for one in range(10)]
    out, _ = drain.communicate(timeout=SECONDS)
    assert (drain.returncode, json.loads(out.splitlines()[-1])) == (0, {"waiting": 0})
    assert near.ended() == 0 and near.ledger()["forwarded"] == 10


def test_the_level_of_the_log_until_a_reload(sites, dial):
    near, _ = sites
    assert near.verb("log", "debug").returncode == 0
    dial().greet()
    near.wait_for("peer up listener=ccserver")
    assert near.verb("log", "trace", "h:far").stdout == "h:far is logged at trace\n"
    said = "log level debug, h:far trace, until the next reload"
    assert said in near.verb("status").stdout.splitlines()
    near.verb("reload").check_returncode()
    assert status_of(near)["log"] == {"level": "info", "sections": {}, "changed": False}
    assert "log level" not in near.verb("status").stdout
