"""Both sides of CURVE with keys and random bytes that are always the same."""

import hashlib

from ccproxy.wire.zmtp.connection import MessageReceived, WireConnection
from ccproxy.wire.zmtp.curve_client import CurveClient
from ccproxy.wire.zmtp.curve_keys import KeyPair
from ccproxy.wire.zmtp.curve_server import CurveServer, CurveServerConfig
from ccproxy.wire.zmtp.handshake import Failed, Handshake, Ready, Transmit

SERVER = KeyPair.of(hashlib.sha256(b"server").digest())
CLIENT = KeyPair.of(hashlib.sha256(b"client").digest())
OTHER = KeyPair.of(hashlib.sha256(b"other").digest())


class FixedRandom:
    """Random bytes that can be foretold: shake_128 of 1, 2, and so on."""

    def __init__(self, seed=""):
        self.seed, self.number = seed, 0

    def __call__(self, size):
        self.number += 1
        return hashlib.shake_128(f"{self.seed}{self.number}".encode()).digest(size)


def admit(credential):
    return ""


def server(keys=SERVER, admit=admit, silent=True, seed=""):
    mechanism = CurveServer(CurveServerConfig(keys, admit, silent), FixedRandom(seed))
    return WireConnection(Handshake(b"ROUTER", mechanism=mechanism))


def client(key=SERVER.public, keys=CLIENT, seed="client"):
    mechanism = CurveClient(key, keys, random=FixedRandom(seed))
    return WireConnection(Handshake(b"DEALER", mechanism=mechanism))


def talk(one, other, change=lambda number, data: data):
    """Let two connections exchange bytes until both are silent; the events of both.

    `change` gets the number and the bytes of each transmission and says what arrives.
    """
    events = {one: [], other: []}
    waiting = [(other, one.start()), (one, other.start())]
    number = 0
    while waiting:
        whom, data = waiting.pop(0)
        for event in whom.receive(change(number, data)):
            events[whom].append(event)
            sent = getattr(event, "data", None) or getattr(event, "transmit", b"")
            if isinstance(event, Transmit | Failed) and sent:
                waiting.append((one if whom is other else other, sent))
        number += 1
    return events[one], events[other]


def up(events):
    return any(isinstance(one, Ready) for one in events)


def failure(events):
    return next((one for one in events if isinstance(one, Failed)), None)


def messages(events):
    return [one.frames for one in events if isinstance(one, MessageReceived)]
