"""The verb tap on real servers: cc, topics, calls; under a flood; and that nothing waits for it."""

import json
import subprocess
import sys
import threading

import pytest
import zmq

from ccproxy.wire.zmtp import pack

SECONDS = 60
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = bus
topics = yes
[routes]
data = h:bin
bus = h:subscribers
[h:bin]
handler = disposer
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT3
"""


class Tap:
    """`ccserver tap --json` and what it has printed."""

    def __init__(self, server, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ccproxy", "tap", "--json",
             str(server.directory / "server.ini"), *words],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.values = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.values.append(json.loads(line))

    def messages(self):
        return [one for one in self.values if "missed" not in one]

    def end(self):
        self.process.terminate()
        self.process.wait(SECONDS)
        self._thread.join(SECONDS)
        self.process.stdout.close()


@pytest.fixture
def tap(until):
    """Start taps; each is on when it has seen the first of messages that `probe` sends."""
    taps = []

    def tap(server, probe, *words):
        taps.append(Tap(server, *words))

        def seen():
            probe()
            return taps[-1].messages()

        until(seen, "the tap sees a message")
        return taps[-1]

    yield tap
    for one in taps:
        one.end()


def test_messages_of_a_peer_with_their_bodies(start, dial, tap, until):
    server = start(SERVER)
    wire = dial().greet()
    one = tap(server, lambda: wire.send(b"", b"data.probe", b"x"), "data", "--body")
    wire.send(b"", b"other", b"not asked for")
    wire.send(b"", b"data.last", b"\xff", b"two")
    found = until(lambda: [value for value in one.messages() if value["type"] == "data.last"])
    assert (found[0]["listener"], found[0]["frames"]) == ("ccserver", ["\\xff", "two"])
    assert {value["type"] for value in one.messages()} == {"data.probe", "data.last"}


def test_topics_of_publishers(start, make, tap, until):
    server = start(SERVER)
    reader = make(zmq.SUB, f"tcp://127.0.0.1:{server.ports['PORT3']}")
    reader.subscribe(b"")
    publisher = make(zmq.PUB, f"tcp://127.0.0.1:{server.ports['PORT2']}")
    one = tap(server, lambda: publisher.send_multipart([b"news", b"1"]), "bus.news", "--to",
              "h:subscribers")  # fmt: skip
    assert one.messages()[0]["type"] == "bus.news"
    assert one.messages()[0]["listener"] == "listen:publishers"


def test_a_flood_waits_for_no_tap(start, dial, tap, until):
    """A tap that shows little of it, and one whose reader has stopped: all is passed on, and what
    the first did not show is what it says that it missed."""
    server = start(SERVER)
    wire = dial().greet()
    sent = 0

    def probe():
        nonlocal sent
        wire.send(b"", b"data.x", b"x")
        sent += 1

    one = tap(server, probe, "data")
    stuck = tap(server, probe, "data", "--body")
    stuck.process.send_signal(19)  # SIGSTOP
    seen_before = sent
    some = pack([b"", b"data.x", bytes(100)]) * 1000
    for _ in range(100):
        wire.sock.sendall(some)
    sent += 100_000

    def all_told():
        told = len(one.messages()) + sum(value.get("missed", 0) for value in one.values)
        return told >= sent - seen_before

    until(all_told, "the tap says what it missed")
    assert len(one.messages()) < 100_000
    stuck.process.send_signal(18)  # SIGCONT
    wire.sock.close()
    server.stop()
    assert server.ledger() == {"received": sent, "discarded": sent}


NEAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
echo = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


def test_requests_and_replies_over_a_link(start, dial, tap, until):
    start(FAR, "far")
    near = start(NEAR, "near")
    near.wait_for("link up link=h:far")
    wire = dial().greet()
    body = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}

    def probe():
        wire.send(b"", b"echo.request", json.dumps(body).encode(), b"")
        wire.message()

    one = tap(near, probe, "echo", "--body")
    probe()
    found = until(lambda: [value for value in one.messages() if value["type"] == "echo.response"])
    assert (found[0]["listener"], found[0]["to"]) == ("h:far", ["ccserver"])
    assert json.loads(found[0]["frames"][0])["req"] == "echo.response"
    assert {value["type"] for value in one.messages()} == {"echo.request", "echo.response"}
