"""The messages of a client and its spool, without a socket; and both with a server that is killed
in the middle."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ccproxy.client import CannotConfirm, Client, ClientLimits, InDoubt, Refused
from ccproxy.client.producer import Producer
from ccproxy.spool.schema import FILE_NAME
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import Nack
from tests.client.fake_server import SERVER, TIMEOUT, FakeServer

LIMITS = ClientLimits(linger=0.0, greeting=TIMEOUT)
TOKEN = b"T" * 8
FRAMES = [b"", b"a.b", b"{}", b""]


class Line:
    """The other end of a producer."""

    def __init__(self, folder: Path | None = None, **limits) -> None:
        self.producer = Producer(ClientLimits(**limits), folder)
        self.epoch = self.producer.id.opening

    def submit(self, count: int = 1):
        return [self.producer.submit(FRAMES, 0.0) for _ in range(count)]

    def say(self, word) -> None:
        self.producer.hear(wire.encode(word))

    def greet(self, **places) -> None:
        self.say(wire.Greeting(SERVER, {self.epoch: places.get("here", 0)}, TOKEN))

    def acknowledge(self, number: int) -> None:
        self.say(wire.Acknowledgement(self.epoch, number, wire.SAFE))

    def sent(self) -> list[int | wire.ReceiptWord]:
        """What goes out now: numbers of messages, and words."""
        frames: list[list[bytes]] = []
        self.producer.gather()
        self.producer.send(frames.append)
        return [
            wire.decode(one) if one[0] == wire.WORD else wire.number_of(one[0]) for one in frames
        ]


def test_nothing_is_sent_before_the_server_has_said_what_it_has():
    line = Line()
    [one] = line.submit()
    assert line.sent() == []
    assert not line.producer.ready
    assert not line.producer.decided
    line.greet()
    assert line.producer.ready
    assert line.sent() == [wire.Announcement(line.epoch, 1, TOKEN), 1]
    assert line.producer.busy
    line.acknowledge(1)
    assert one.future.result(0).number == 1
    assert not line.producer.busy
    assert line.producer.finish()
    assert line.producer.take_left() == (0, 0)


def test_the_server_cannot_answer_for_what_the_socket_has_not_taken():
    line = Line()
    _, second, third = line.submit(3)
    line.greet()
    taken: list[list[bytes]] = []

    def full(frames: list[bytes]) -> None:
        if len(taken) == 2:
            raise BlockingIOError
        taken.append(frames)

    with pytest.raises(BlockingIOError):
        line.producer.send(full)
    assert len(taken) == 2
    with pytest.raises(InDoubt):
        line.producer.give_up(third, "it may be sent at any time")
    line.acknowledge(2)  # which the socket does not have yet
    with pytest.raises(InDoubt, match="wrong receipts"):
        second.future.result(0)


def test_what_the_socket_had_not_taken_goes_with_the_connection():
    line = Line()
    line.submit(2)
    line.greet()

    def full(frames: list[bytes]) -> None:
        raise BlockingIOError

    with pytest.raises(BlockingIOError):
        line.producer.send(full)
    assert line.producer.ready
    line.producer.disconnected()
    assert line.sent() == []
    line.greet()
    assert line.sent() == [wire.Announcement(line.epoch, 1, TOKEN), 1, 2]


def test_after_a_cut_nothing_is_sent_until_the_next_greeting():
    line = Line()
    line.submit()
    line.greet()
    line.sent()
    line.producer.disconnected()
    line.submit()
    assert line.sent() == []
    line.greet(here=1)
    assert line.sent() == [wire.Announcement(line.epoch, 2, TOKEN), 2]


def test_a_server_that_misses_a_number_begins_anew_on_the_same_connection():
    line = Line()
    line.submit(3)
    line.greet()
    line.sent()
    line.acknowledge(1)
    line.say(wire.Greeting(SERVER, {line.epoch: 1}, b"another!"))
    assert line.sent() == [wire.Announcement(line.epoch, 2, b"another!"), 2, 3]


def test_a_receipt_that_comes_at_the_last_moment_counts():
    line = Line()
    [one] = line.submit()
    line.greet()
    line.sent()
    line.acknowledge(1)
    assert line.producer.give_up(one, "too late").number == 1


def test_what_is_given_up_before_it_is_sent_makes_room():
    line = Line(unconfirmed=1)
    [one] = line.submit()
    with pytest.raises(ConnectionError, match="no server; the message was not sent"):
        line.producer.give_up(one, "no server")
    line.submit()
    line.greet()
    assert line.sent() == [wire.Announcement(line.epoch, 2, TOKEN), 2]


def test_the_end_says_what_is_left():
    line = Line()
    line.submit(2)
    line.greet()
    line.sent()
    line.submit(3)
    assert not line.producer.finish()
    assert line.producer.take_left() == (2, 3)
    assert line.producer.take_left() == (0, 0)


def test_a_producer_that_sent_nothing_is_not_forgotten():
    line = Line()
    line.greet()
    assert not line.producer.finish()


# With a spool


def test_a_message_is_sent_when_it_is_in_the_spool(tmp_path):
    line = Line(tmp_path)
    line.greet()
    line.submit(2)
    assert not line.producer.ready
    assert line.sent() == [wire.Announcement(line.epoch, 1, TOKEN), 1, 2]
    line.acknowledge(1)
    assert not line.producer.finish()
    assert line.producer.take_left() == (0, 0)

    again = Line(tmp_path)
    assert again.producer.id.producer == line.producer.id.producer
    [restored] = again.producer.restored
    again.submit()
    again.greet()
    assert again.sent() == [
        wire.Announcement(line.epoch, 2, TOKEN), 2, wire.Announcement(again.epoch, 1, TOKEN), 1,
    ]  # fmt: skip
    again.say(wire.Acknowledgement(line.epoch, 2, wire.SAFE))
    receipt = restored.result(0)
    assert (receipt.epoch, receipt.number) == (line.epoch, 2)
    again.say(Nack(again.epoch, 1, 1, "full"))
    again.acknowledge(1)
    assert again.producer.finish()
    third = Line(tmp_path)
    assert third.producer.restored == []
    third.producer.finish()


def test_the_end_writes_what_came_last_into_the_spool(tmp_path):
    line = Line(tmp_path)
    [one] = line.submit()
    line.producer.finish()
    with pytest.raises(InDoubt, match="closed; the message stays in the spool"):
        one.future.result(0)
    again = Line(tmp_path)
    assert len(again.producer.restored) == 1
    again.producer.finish()


def test_what_may_be_in_the_spool_is_in_doubt_and_kept(tmp_path):
    line = Line(tmp_path)
    [one] = line.submit()
    with pytest.raises(InDoubt, match="too late; the message stays in the spool"):
        line.producer.give_up(one, "too late")
    line.producer.gather()
    with pytest.raises(InDoubt, match="too late; the message stays in the spool"):
        line.producer.give_up(one, "too late")
    line.producer.finish()
    again = Line(tmp_path)
    assert len(again.producer.restored) == 1
    again.producer.finish()


def test_a_server_that_cannot_confirm_leaves_the_spool_as_it_is(tmp_path):
    line = Line(tmp_path)
    [kept] = line.submit()
    line.producer.gather()
    [unwritten] = line.submit()
    line.producer.cannot("no receipts")
    assert isinstance(kept.future.exception(0), InDoubt)
    line.producer.gather()
    assert isinstance(unwritten.future.exception(0), CannotConfirm)
    with pytest.raises(CannotConfirm, match="no receipts; the message was not sent"):
        line.submit()
    line.producer.disconnected()
    line.greet()
    assert line.sent() == [wire.Announcement(line.epoch, 1, TOKEN), 1]
    line.producer.finish()


def test_a_spool_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    line = Line(tmp_path)

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(line.producer._spool._file, "write", fail)
        [one] = line.submit()
        assert not line.producer.flush(0.0)
        line.producer.gather()
        with pytest.raises(OSError, match="database or disk is full"):
            line.producer.flush(0.0)
        assert line.producer.flush(0.0)
        with pytest.raises(OSError, match="database or disk is full"):
            one.future.result(0)
    [two] = line.submit()
    line.greet()
    assert line.sent() == [wire.Announcement(line.epoch, 1, TOKEN), 1]
    assert line.producer.flush(0.0)
    line.say(Nack(line.epoch, 1, 1, "too-big"))
    line.acknowledge(1)
    assert isinstance(two.future.exception(0), Refused)
    line.producer.finish()


def test_a_flush_waits_for_the_spool(tmp_path, monkeypatch):
    with FakeServer() as server:
        client = Client(server.address, spool=tmp_path, limits=LIMITS)
        future = client.publish("a.b", {}, confirm="later")
        client.flush(TIMEOUT)
        assert client._producer._spool._file.state.messages == 1
        monkeypatch.setattr(client._producer, "flush", lambda seconds: False)
        with pytest.raises(TimeoutError, match="not written in 0 s"):
            client.flush(0)
        client.close()
        assert isinstance(future.exception(0), InDoubt)


KILLED = """
import sys
from ccproxy.client import Client, ClientLimits
client = Client(sys.argv[1], spool=sys.argv[2], limits=ClientLimits(greeting=60))
for number in range(3):
    client.publish("a.b", {"n": number}, confirm="later")
client.publish("a.b", {"n": 3}, confirm=True, timeout=60)
"""


def test_a_program_that_is_killed_goes_on_after_its_restart(tmp_path):
    with FakeServer() as server:
        words = [sys.executable, "-c", KILLED, server.address, str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            peer = server.greeted()
            first = peer.producer
            peer.read_word()
            assert peer.read_numbers(4) == [1, 2, 3, 4]
            with pytest.raises(OSError, match=f"in use by process {process.pid}"):
                Client(server.address, spool=tmp_path)
            peer.acknowledge(1)
            process.kill()
            process.stdout.read()
        assert process.returncode == -9
        with Client(server.address, spool=tmp_path, limits=LIMITS) as client:
            peer = server.greeted({first.opening: 2})
            assert peer.producer.producer == first.producer
            assert peer.producer.opening != first.opening
            assert peer.read_word() == wire.Announcement(first.opening, 3, peer.token)
            assert peer.read_numbers(2) == [3, 4]
            peer.acknowledge(4, epoch=first.opening)
            assert client.restored[-1].result(TIMEOUT).number == 4


def test_what_a_damaged_spool_has_lost_is_said(tmp_path, caplog):
    (tmp_path / FILE_NAME).write_bytes(b"nonsense" * 10_000)
    for damaged in (True, False):
        with FakeServer() as server, Client(server.address, spool=tmp_path) as client:
            assert client.damage.startswith("damaged: 0 messages were read") is damaged
    [said] = caplog.messages
    assert said.startswith(f"spool {tmp_path}: damaged: 0 messages were read, an unknown number")
