"""The service's end of an exchange: what goes out, what comes back, and when an end has to wait."""

import pytest

from ccproxy.protocols.jolie.http.exchange import Exchange, PassedRequest, PassedResponse
from ccproxy.protocols.jolie.http.messages import HttpLimits
from ccproxy.protocols.jolie.http.passage import MOST_WAITING, Passage, PassedSending


class Caller:
    """The other end, which has room as long as a test says so."""

    gone = False

    def __init__(self):
        self.told = []
        self.room = True

    def attached(self):
        self.told.append("attached")

    def pause(self):
        self.told.append("pause")

    def resume(self):
        self.told.append("resume")

    def respond(self, head):
        self.told.append(head)

    def data(self, data):
        self.told.append(data)
        return self.room

    def end(self):
        self.told.append("end")


class Wire:
    """A connection that keeps what is written."""

    def __init__(self):
        self.waiting = 0
        self.written = b""
        self.told = []
        self.when = []

    def write(self, data):
        self.written += data
        return True

    def when_sent(self, call):
        self.when.append(call)

    def pause(self):
        self.told.append("pause")

    def resume(self):
        self.told.append("resume")

    def abandon(self):
        self.told.append("abandon")


HEADERS = (b"Host", b"x"), (b"Content-Length", b"4")


@pytest.fixture
def made():
    caller, wire = Caller(), Wire()
    exchange = Exchange(PassedRequest(b"PUT", b"/a?b", HEADERS, b"x"), caller)
    sending = PassedSending(exchange=exchange, place=("there:1", "/base/"), id=7)
    passage = Passage(sending, HttpLimits())
    wire.written = passage.start()
    passage.bind(wire)
    return passage, caller, wire


def test_a_whole_exchange(made):
    passage, caller, wire = made
    assert caller.told == ["attached"]
    passage.data(b"ab"), passage.data(b"cd"), passage.end()
    assert wire.written.startswith(b"PUT /base/a?b HTTP/1.1\r\n")
    assert wire.written.endswith(b"\r\n\r\nabcd")
    assert not passage.feed(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\no")
    assert passage.feed(b"k")
    head = PassedResponse(201, b"Made", ((b"Content-Length", b"2"),))
    assert caller.told == ["attached", head, b"o", b"k", "end"]
    assert not (passage.client.closing or passage.client.broken)


def test_a_caller_without_room_stops_the_reading_until_it_has_some(made):
    passage, caller, wire = made
    caller.room = False
    passage.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    assert wire.told == ["pause"] and passage.held
    passage.resume()
    assert wire.told == ["pause", "resume"] and not passage.held


def test_a_service_without_room_stops_the_caller_until_half_is_sent(made):
    passage, caller, wire = made
    wire.waiting = MOST_WAITING + 1
    passage.data(b"ab")
    assert caller.told == ["attached", "pause"]
    wire.when.pop()()
    assert caller.told[-1] == "pause"
    wire.waiting = 0
    wire.when.pop()()
    assert caller.told == ["attached", "pause", "resume"] and not wire.when


def test_a_caller_that_leaves_ends_the_connection_once_and_nothing_is_written_behind(made):
    passage, caller, wire = made
    passage.abandon(), passage.abandon()
    before = wire.written
    passage.data(b"ab")
    assert wire.told == ["abandon"] and wire.written == before


def test_nothing_happens_behind_the_end(made):
    passage, caller, wire = made
    passage.data(b"abcd"), passage.end()
    assert passage.feed(b"HTTP/1.1 204 Gone\r\n\r\n")
    passage.resume(), passage.abandon()
    assert wire.told == []
