"""Each pair of ZeroMQ sockets, each end with another library, over one, two and three servers.

The libraries are the pyzmq of this Python, pyzmq 25, node's zeromq and JeroMQ 0.3 (ZMTP 2.0), each
in one process (`peers/`) that does what a test tells it. CCPROXY_OLD_PYTHONS names Pythons with an
old pyzmq, NODE_PATH the place of zeromq for node, CCPROXY_JEROMQ the file of JeroMQ; what is
missing is skipped.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from ccproxy.server.control_client import request
from ccproxy.testing.server import RunningServer, free_ports

HERE = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]
OLD = [one for one in os.environ.get("CCPROXY_OLD_PYTHONS", "").split(os.pathsep) if one]
JEROMQ = os.environ.get("CCPROXY_JEROMQ", "/usr/share/java/jeromq.jar")
NODE_PATHS = [os.environ.get("NODE_PATH", ""), str(ROOT / ".venv" / "node" / "node_modules")]
SECONDS = 60
NUMBERS = count()
HOPS = (1, 2, 3)

HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:CC{here}
cc-role = remote
control = sock
linger = 5 s
"""
NEXT = """
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:CC{there}
reconnect-max = 100 ms
"""
LISTENER = """
[listen:{socket}{hops}]
protocol = zmq
socket = {socket}
address = tcp://127.0.0.1:IN{socket}{hops}
type = {socket}{hops}
"""
SINK = """
[h:{socket}]
handler = zmq
socket = {socket}
bind = tcp://127.0.0.1:OUT{socket}{here}
"""
PORT = r"\b(?:CC|IN|OUT)\w*\d\b"

pytestmark = pytest.mark.xdist_group("zmq-others")


class Pair(NamedTuple):
    """The sockets of two programs, and those of the servers between them."""

    front: str
    listener: str
    sink: str
    back: str


PAIRS = [
    Pair("pub", "xsub", "xpub", "sub"),
    Pair("push", "pull", "push", "pull"),
    Pair("req", "router", "dealer", "rep"),
    Pair("req", "router", "dealer", "router"),
    Pair("dealer", "router", "dealer", "rep"),
    Pair("dealer", "router", "dealer", "router"),
    Pair("dealer", "router", "dealer", "dealer"),
    Pair("req", "rep", "req", "rep"),
    Pair("dealer", "rep", "req", "rep"),
    Pair("req", "rep", "req", "router"),
]
STEADY = [PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[7]]
"""One pair for each socket of a server, for tests in which all are open at a time."""
ROUTES = {"xsub": "xpub", "pull": "push", "router": "dealer", "rep": "req"}


def pyzmq():
    return [sys.executable, str(HERE / "peer.py")]


def old_pyzmq():
    if not OLD:
        pytest.skip("CCPROXY_OLD_PYTHONS names no old pyzmq")
    return [OLD[0], str(HERE / "peer.py")]


def node():
    if shutil.which("node") is None:
        pytest.skip("no node here")
    found = subprocess.run(["node", "-e", "require('zeromq')"], env=environment(), timeout=60)
    if found.returncode:
        pytest.skip("node has no module zeromq; NODE_PATH says where it is")
    return ["node", str(HERE / "peer.js")]


def jeromq():
    if shutil.which("javac") is None or not Path(JEROMQ).is_file():
        pytest.skip("no JDK here, or no JeroMQ; CCPROXY_JEROMQ says where it is")
    return ["java", "-cp", JEROMQ, str(HERE / "Peer.java")]


def environment():
    return {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, NODE_PATHS))}


LIBRARIES = (pyzmq, old_pyzmq, node, jeromq)


class Library:
    """A process that has sockets of one library and obeys."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            program, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait(SECONDS):
            raise RuntimeError(f"{self.process.args}: exit status {self.process.returncode}")


class Socket:
    """A socket in the process of a library."""

    def __init__(self, library, kind, address):
        self.name = f"s{next(NUMBERS)}"
        self._library = library
        self._obey("open", kind, address)
        if kind == "sub":
            self._obey("subscribe", "x")

    def send(self, frames):
        self._obey("send", *("x" + frame.hex() for frame in frames))

    def receive(self, milliseconds=1000 * SECONDS):
        said = self._library("receive", self.name, str(milliseconds))
        return [] if said == "none" else [bytes.fromhex(one[1:]) for one in said.split(" ")]

    def close(self):
        self._obey("close")

    def _obey(self, word, *rest):
        assert self._library(word, self.name, *rest) == "ok"


class Chain:
    """Three servers, each with a link to the next one; `lead` of them deal with a message."""

    def __init__(self, directory):
        self.directory = directory
        texts = {here: text_of(here) for here in HOPS}
        words = sorted(set(re.findall(PORT, "".join(texts.values()))))
        self.ports = dict(zip(words, free_ports(len(words)), strict=True))
        for here, text in texts.items():
            (directory / str(here)).mkdir()
            text = re.sub(PORT, lambda word: str(self.ports[word[0]]), text)
            (directory / str(here) / "server.ini").write_text(text, "utf-8")
        self.servers = {}
        for here in reversed(HOPS):
            self.start(here)

    def start(self, here):
        self.servers[here] = RunningServer(self.directory / str(here), self.ports)
        self.servers[here].wait_for("ready data-path", SECONDS)

    def stop(self, here):
        server = self.servers.pop(here)
        assert server.stop(SECONDS) == 0, server.lines
        found = re.findall(r"([a-z-]+)=(\d+)", server.wait_for("ledger "))
        (_, received), *fates = [(name, int(number)) for name, number in found]
        assert received == sum(number for _, number in fates), server.lines

    def front(self, library, pair, hops):
        port = self.ports[f"IN{pair.listener}{hops}"]
        return Socket(library, pair.front, f"tcp://127.0.0.1:{port}")

    def back(self, library, pair, hops):
        port = self.ports[f"OUT{pair.sink}{hops}"]
        return Socket(library, pair.back, f"tcp://127.0.0.1:{port}")

    def await_no_peer(self, pair, hops):
        """Until the server has seen that the back is gone: what it gave it then would be lost."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            sock = self.directory / str(hops) / "sock"
            value = request("GET", "/v1/status", [sock], SECONDS).value
            facts = {one["section"]: one["facts"] for one in value["handlers"]}[f"h:{pair.sink}"]
            if not facts.get("workers", facts.get("subscribers")):
                return
        raise TimeoutError(facts)


def text_of(here):
    """The configuration of one server; all listeners are at the first one."""
    links = NEXT.format(there=here + 1) if here < HOPS[-1] else ""
    text = HEAD.format(here=here) + links
    text += "".join(SINK.format(socket=socket, here=here) for socket in ROUTES.values())
    if here == HOPS[0]:
        text += "".join(LISTENER.format(socket=one, hops=hops) for one in ROUTES for hops in HOPS)
    routes = [
        f"{socket}{hops} = h:{sink if hops == here else 'next'}"
        for socket, sink in ROUTES.items()
        for hops in HOPS[here - 1 :]
    ]
    return text + "\n".join(["[routes]", *routes, ""])


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    found = Chain(tmp_path_factory.mktemp("chain"))
    yield found
    for here in HOPS:
        found.stop(here)


@pytest.fixture(scope="module")
def library():
    """The process of a library by its function, which skips the test if it is missing."""
    started = {}

    def library(program):
        if program not in started:
            started[program] = Library(program())
        return started[program]

    yield library
    for one in started.values():
        one.end()


def exchange(front, back, pair):
    """A message to the back, and the answer if there is one; frames pass unchanged."""
    question = [b"question %d" % next(NUMBERS), b"", bytes(range(256)) * 2]
    ask(front, pair, question)
    hear(front, back, pair, question)


def ask(front, pair, question):
    front.send([b"", *question] if pair.front == "dealer" else question)


def hear(front, back, pair, question):
    if pair.front == "pub":  # it drops what it sends before it knows of the subscription
        while (found := back.receive(20)) != question:
            if not found:
                front.send(question)
        return
    found = back.receive()
    assert found[-len(question) :] == question
    if pair.front == "push":
        return
    envelope = found[: -len(question)]
    answer = [b"answer to", question[0], b""]
    back.send([*envelope, *answer])
    assert front.receive() == ([b"", *answer] if pair.front == "dealer" else answer)


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("back_with", LIBRARIES)
@pytest.mark.parametrize("front_with", LIBRARIES)
def test_each_pair_in_both_orders_and_with_restarts(chain, library, front_with, back_with, hops):
    ours, theirs = library(front_with), library(back_with)
    for pair in PAIRS:
        # The front is first, and sends; what it sends waits for a back, if it is not published.
        front = chain.front(ours, pair, hops)
        question = [b"first %d" % next(NUMBERS), b"", b""]
        ask(front, pair, question)
        back = chain.back(theirs, pair, hops)
        hear(front, back, pair, question)
        # The back comes again, then the front: now the back is first.
        back.close()
        chain.await_no_peer(pair, hops)
        back = chain.back(theirs, pair, hops)
        exchange(front, back, pair)
        front.close()
        front = chain.front(ours, pair, hops)
        exchange(front, back, pair)
        front.close()
        back.close()
        chain.await_no_peer(pair, hops)


@pytest.mark.parametrize("with_", LIBRARIES)
def test_each_server_is_restarted_between_open_sockets(chain, library, with_):
    peers = library(with_)
    opened = [
        (pair, hops, chain.front(peers, pair, hops), chain.back(peers, pair, hops))
        for pair in STEADY
        for hops in HOPS
    ]
    for here in (None, *HOPS):
        if here is not None:
            chain.stop(here)
            chain.start(here)
        for pair, _, front, back in opened:
            exchange(front, back, pair)
    for pair, hops, front, back in opened:
        front.close()
        back.close()
        chain.await_no_peer(pair, hops)
