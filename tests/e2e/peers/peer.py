"""Sockets of this library under the control of a test: a command a line on stdin, an answer a line.

    open NAME TYPE ADDRESS      ok
    subscribe NAME FRAME        ok
    send NAME FRAME ...         ok
    receive NAME MILLISECONDS   FRAME ..., or none
    close NAME                  ok

A frame is `x` and its bytes in hex. Runs in any Python since 2.7, with any pyzmq.
"""

import binascii
import sys

import zmq

context = zmq.Context()
sockets = {}


def opened(name, kind, address):
    made = sockets[name] = context.socket(getattr(zmq, kind.upper()))
    made.linger = 0
    made.setsockopt(zmq.RECONNECT_IVL, 20)
    made.connect(address)
    return "ok"


def subscribe(name, prefix):
    sockets[name].setsockopt(zmq.SUBSCRIBE, binascii.unhexlify(prefix[1:]))
    return "ok"


def send(name, *frames):
    sockets[name].send_multipart([binascii.unhexlify(frame[1:]) for frame in frames])
    return "ok"


def receive(name, milliseconds):
    if not sockets[name].poll(int(milliseconds)):
        return "none"
    frames = sockets[name].recv_multipart()
    return " ".join("x" + binascii.hexlify(frame).decode("ascii") for frame in frames)


def close(name):
    sockets.pop(name).close()
    return "ok"


COMMANDS = {
    "open": opened,
    "subscribe": subscribe,
    "send": send,
    "receive": receive,
    "close": close,
}

for line in iter(sys.stdin.readline, ""):
    words = line.split()
    print(COMMANDS[words[0]](*words[1:]))
    sys.stdout.flush()
context.destroy(0)
