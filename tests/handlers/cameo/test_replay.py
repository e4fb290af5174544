"""All replays of the original proxies, through real sockets: what they answered, we answer."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
import zmq

from ccproxy.server.control_client import request
from ccproxy.testing import running_server

VECTORS = Path(__file__).parents[2] / "vectors" / "cameo"
REPLAYS = [
    pytest.param(vector["steps"], id=f"{file}-{vector['name']}")
    for file in ("responder", "publisher")
    for vector in json.loads((VECTORS / f"{file}_proxy_replay.json").read_text())["vectors"]
]
TIMEOUT = 30
"""Seconds that a message or a change of the status may take."""
PORTS = {"responder": "PORT2", "publisher": "PORT3", "internal": "PORT4"}
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
control = %(config_dir)s/control

[routes]

[h:cameo]
handler = cameo-proxy
responder = tcp://127.0.0.1:PORT2
publisher = tcp://127.0.0.1:PORT3
internal = tcp://127.0.0.1:PORT4
"""


@pytest.fixture(scope="module")
def server():
    with running_server(INI) as running:
        yield running
        assert running.stop() == 0
        assert " ERROR " not in "\n".join(running.lines)


class Replay:
    """The sockets of one replay, and the ids that the proxy has made for anonymous ones."""

    def __init__(self, context, server):
        self.context = context
        self.server = server
        self.sockets = {}
        self.ids = {}
        self.told = {}
        """What each PUB knows of subscriptions: an XPUB is in its place, which can be asked."""
        self.wanted = {}
        """The subscriptions of each subscriber."""

    def run(self, steps):
        for step in steps:
            given = {name: one for name, one in step.items() if name not in ("do", "is")}
            getattr(self, step["do"])(**given)

    def open(self, peer, socket, port, identity=None):
        before = self.peers()
        made = self.context.socket(zmq.XPUB if socket == "PUB" else getattr(zmq, socket))
        made.linger, made.rcvtimeo, made.sndtimeo = 0, 1000 * TIMEOUT, 1000 * TIMEOUT
        if socket == "ROUTER":
            made.router_mandatory = True
        if identity:
            made.routing_id = self.bytes_of(identity)
        made.connect(self.server.address(PORTS[port]))
        self.sockets[peer] = made
        self.until(lambda: self.peers() == before + 1)
        if socket == "PUB":
            self.told[peer] = set()
            self.publishers_know()

    def close(self, peer):
        before = self.peers()
        self.sockets.pop(peer).close()
        self.told.pop(peer, None)
        self.wanted.pop(peer, None)
        self.until(lambda: self.peers() == before - 1)
        self.publishers_know()

    def subscribe(self, peer, topic):
        self.wanted.setdefault(peer, Counter())[self.bytes_of(topic)] += 1
        self.sockets[peer].subscribe(self.bytes_of(topic))
        self.publishers_know()

    def unsubscribe(self, peer, topic):
        self.wanted[peer][self.bytes_of(topic)] -= 1
        self.sockets[peer].unsubscribe(self.bytes_of(topic))
        self.publishers_know()

    def sleep(self, ms):
        time.sleep(ms / 1000)

    def send(self, peer, frames):
        raw = [self.bytes_of(one) for one in frames]
        self.until(lambda: self.sent(self.sockets[peer], raw))

    def sent(self, socket, frames):
        """A ROUTER can send once its handshake is done at its end as well."""
        try:
            socket.send_multipart(frames)
        except zmq.ZMQError as error:
            assert error.errno == zmq.EHOSTUNREACH
            return False
        return True

    def recv(self, peer, frames):
        found = self.sockets[peer].recv_multipart()
        assert len(found) == len(frames), found
        for one, expected in zip(found, frames, strict=True):
            name = expected.get("id_of")
            if name and name not in self.ids:
                assert one[0] == 0 and len(one) == 5
                self.ids[name] = one
            assert one == self.bytes_of(expected)

    def nothing(self, peer, ms):
        assert not self.sockets[peer].poll(ms)

    def bytes_of(self, frame):
        if "id_of" in frame:
            return self.ids[frame["id_of"]]
        if "hex" in frame:
            return bytes.fromhex(frame["hex"])
        if "repeat" in frame:
            return frame["repeat"].encode() * frame["times"]
        return frame["text"].encode()

    def peers(self):
        reply = request("GET", "/v1/status", [self.server.directory / "control"], TIMEOUT)
        return sum(one["peers"] for one in reply.value["listeners"])

    def publishers_know(self):
        wanted = {topic for one in self.wanted.values() for topic in one if one[topic]}
        for peer, told in self.told.items():
            while told != wanted:
                message = self.sockets[peer].recv()
                change = told.add if message[0] else told.remove
                change(message[1:])

    def until(self, true):
        end = time.monotonic() + TIMEOUT
        while not true():
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.mark.parametrize("steps", REPLAYS)
def test_replay(server, steps):
    with zmq.Context() as context:
        replay = Replay(context, server)
        before = replay.peers()
        try:
            replay.run(steps)
        finally:
            for one in replay.sockets.values():
                one.close()
        replay.until(lambda: replay.peers() == before)
