"""The verb listen, beside sockets of libzmq and through a server."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial

import pytest
import zmq

from ccproxy.testing import free_ports

HUB = """
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = local
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:5555
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = ADDRESSES
"""


@contextmanager
def far_side(kind, work):
    """A socket of libzmq in a thread: `work` is called with it; the address is given."""
    with zmq.Context() as context, context.socket(kind) as made:
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = 60_000
        port = made.bind_to_random_port("tcp://127.0.0.1")
        thread = threading.Thread(target=work, args=(made,))
        thread.start()
        yield f"tcp://127.0.0.1:{port}"
        thread.join()


def published(*messages, subscriptions=1):
    """Publish when so many subscriptions have come; what they were is kept in `wanted`."""

    def work(socket):
        work.wanted = [socket.recv() for _ in range(subscriptions)]
        for frames in messages:
            socket.send_multipart(frames)

    return work


def subscribed(end, socket):
    """Subscribe; libzmq tells a new peer only while its socket is used."""
    socket.subscribe(b"w")
    while not end.is_set():
        socket.poll(10)


def test_a_line_for_each_message_escaped_and_cut(call):
    hostile = [b"a", b"", b"\x1b[2J\n\xff", b"x" * 300, "\u202e".encode()]
    with far_side(zmq.XPUB, published(hostile, [b"f"] * 30)) as address:
        status, out, err = call("listen", address, "--limit", 2)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    shown = first.split(" | ")
    assert shown[:3] == ["a", '""', r"\x1b[2J\n\xff"]
    assert shown[3].endswith("... (300 characters)") and len(shown[3]) == 200
    assert shown[4] == r"\u202e"
    assert second.endswith("f | ... (30 frames)")


def test_topics_and_whole_messages_as_json(call):
    work = published([b"a1", b"\n"], [b"c"], [b"b", b"\xff"], [b"a2", b"x" * 300], subscriptions=2)
    with far_side(zmq.XPUB, work) as address:
        words = ("--topic", "a", "--topic", "b", "--json", "--limit", 3)
        status, out, _ = call("listen", address, *words)
    assert status == 0 and sorted(work.wanted) == [b"\1a", b"\1b"]
    found = [json.loads(line) for line in out.splitlines()]
    assert found == [
        {"frames": ["a1", "\n"], "encoding": "utf-8"},
        {"frames": ["Yg==", "/w=="], "encoding": "base64"},
        {"frames": ["a2", "x" * 300], "encoding": "utf-8"},
    ]


def test_other_sockets(call):
    with far_side(zmq.PUSH, lambda one: one.send_multipart([b"job", b"1"])) as address:
        assert call("listen", address, "--socket", "pull", "--limit", 1)[1] == "job | 1\n"
    shown = threading.Event()
    with far_side(zmq.SUB, partial(subscribed, shown)) as address:
        assert call("listen", address, "--socket", "xpub", "--limit", 1)[1] == "\\x01w\n"
        shown.set()
    [port] = free_ports(1)
    with zmq.Context() as context, context.socket(zmq.REQ) as asking:
        asking.linger = 0
        asking.setsockopt(zmq.IDENTITY, b"me")
        asking.connect(f"tcp://127.0.0.1:{port}")
        asking.send(b"what?")
        words = ("--socket", "router", "--bind", "--limit", 1)
        assert call("listen", f"tcp://127.0.0.1:{port}", *words)[1] == 'me | "" | what?\n'


def test_nothing_comes(call):
    status, _, err = call("listen", "tcp://127.0.0.1:1", "--timeout", "0.05")
    assert status == 1 and "0 messages came, then none for 0.05 s" in err


def test_interrupted_it_ends_well():
    with zmq.Context() as context, context.socket(zmq.XPUB) as far:
        far.linger = 0
        port = far.bind_to_random_port("tcp://127.0.0.1")
        program = [sys.executable, "-m", "ccproxy", "listen", f"tcp://127.0.0.1:{port}"]
        process = subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert far.recv() == b"\1"
        far.send(b"one")
        assert process.stdout.readline() == "one\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["tcp://127.0.0.1:1", "--socket", "pull", "--topic", "x"], 2, "--topic is for"),
        (["nonsense://x"], 1, "cannot connect to 'nonsense://x'"),
        (["tcp://192.0.2.1:5", "--bind"], 1, "cannot listen on"),
        (["tcp://127.0.0.1:1", "--socket", "pair"], 2, "invalid choice"),
    ],
)
def test_mistakes(words, status, reason, call):
    found, _, err = call("listen", *words)
    assert found == status
    assert reason in err


def test_the_server_of_a_configuration(call, ini):
    with far_side(zmq.XPUB, published([b"hello"])) as address:
        file = ini(HUB.replace("ADDRESSES", address.replace("127.0.0.1", "*")))
        assert call("listen", file, "--limit", 1)[:2] == (0, "hello\n")
    status, _, err = call("listen", file, "--socket", "pull")
    assert status == 1 and "has no address for a socket pull" in err
    file = ini(HUB.replace("ADDRESSES", "tcp://127.0.0.1:5556, tcp://127.0.0.1:5557"))
    status, _, err = call("listen", file)
    assert status == 1 and "tcp://127.0.0.1:5556, tcp://127.0.0.1:5557" in err
    assert call("listen", ini("[ccserver]\n"))[0] == 78
