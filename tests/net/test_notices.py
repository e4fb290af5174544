import asyncio
import logging

import pytest

from ccproxy.core.message import UnreadableMessage
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.verdict import Full
from ccproxy.net.notices import LOG_INTERVAL, PEER_LINES, ServerLog
from ccproxy.wire.cc import UnreadableField, UntrustedMessage
from ccproxy.wire.zmtp import pack


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock, caplog):
    caplog.set_level(logging.DEBUG)
    return ServerLog(clock)


def lines(caplog):
    found = [f"{one.levelname} {one.getMessage()}" for one in caplog.records]
    caplog.clear()
    return found


def test_a_line_that_repeats_is_said_once_and_summed_up(log, clock, caplog):
    for _ in range(3):
        log.often("key", "trouble with %s", "x", amount=2)
    assert lines(caplog) == ["WARNING trouble with x"]
    clock.now += LOG_INTERVAL
    log.often("key", "trouble with %s", "x", amount=2)
    assert lines(caplog) == ["WARNING trouble with x (6 in 10 s)"]
    log.often("key", "trouble with %s", "x", amount=5)
    clock.now += LOG_INTERVAL
    log.summarise()
    assert lines(caplog) == ["WARNING repeated in the last 10 s: key (5 more)"]
    log.summarise()
    assert lines(caplog) == []


def test_strangers_cannot_fill_the_log(log, clock, caplog):
    for number in range(1000):
        log.unrouted(f"type.{number}", 1)
        log.peer_closed("cc", f"10.0.0.{number}:5", "because")
    assert len(lines(caplog)) == PEER_LINES
    log.often("ours", "still said")
    assert lines(caplog) == ["WARNING still said"]
    log.summarise()
    assert lines(caplog) == [f"WARNING further warnings of many kinds, not written: {2000 - 50}"]


def test_a_peer_is_the_same_from_every_port(log, caplog):
    for port in range(10):
        log.peer_closed("cc", f"10.0.0.1:{port}", "because")
    assert lines(caplog) == ["WARNING peer closed listener=cc peer=10.0.0.1:0: because"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (pack([b"a", b"b"]), "no empty frame"),
        (pack([b""]), "nothing behind the empty frame"),
        (pack([b"", b"a b"]), "invalid message type b'a b'"),
        (pack([b"x", b"", b"a"]), "nothing behind the identity"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(log, caplog, raw, reason):
    log.malformed("10.0.0.1:5", raw, 1)
    [line] = lines(caplog)
    assert line.startswith("WARNING Invalid CC message peer=10.0.0.1:5: ")
    assert reason in line


@pytest.mark.parametrize(
    ("error", "trace"),
    [
        (Full("x"), False),
        (UnreadableMessage("x"), False),
        (UntrustedMessage("x"), False),
        (UnreadableField("x"), False),
        (ValueError("x"), True),
        (KeyError("x"), True),
        (SystemExit("x"), True),
    ],
)
def test_a_stack_trace_unless_the_message_is_at_fault(log, caplog, error, trace):
    log.failed("h:x", "a.b", error)
    log.failed("h:x", "a.b", error)
    [record] = caplog.records
    assert bool(record.exc_info) is trace
    start = f"handler failed handler=h:x type=a.b messages=1: {type(error).__name__}: "
    assert record.getMessage().startswith(start)


def test_each_kind_of_call_has_a_line_of_its_own(log, caplog):
    for type in ("(timer)", "(timer)", "(stop)", "a.b", "a.c"):
        log.failed("h:x", type, KeyError("x"))
    assert [line.split()[4] for line in lines(caplog)] == [
        "type=(timer)",
        "type=(stop)",
        "type=a.b",
    ]


def test_who_is_slow_is_named_with_the_time(log, caplog):
    log.slow("h:x", "a.b", 0.0504, 0.0031)
    assert lines(caplog) == [
        "WARNING slow handler handler=h:x type=a.b took=50 ms, of these 3 ms of processor time; "
        "everybody waited; if this is often, give it a server of its own "
        '(its author: declare runs = "thread")'
    ]


def test_drops_are_said_with_the_sum(log, clock, caplog):
    box = Outbox("h:x peer", Limits(bytes=10))
    message = pack([b"", b"abc"])
    box.offer(message * 3, 3)
    log.dropped(box, "full", 2)
    assert lines(caplog) == ["WARNING dropped outbox=h:x peer reason=full messages=2"]
    assert [(one.place, one.reason, one.messages) for one in log.losses.latest()] == [
        ("h:x", "full", 2)
    ]
    log.dropped(box, "full", 1)
    clock.now += LOG_INTERVAL
    box.offer(message, 1)
    log.dropped(box, "full", 1)
    assert lines(caplog) == ["WARNING dropped outbox=h:x peer reason=full messages=3 (2 in 10 s)"]


def test_what_was_not_said_reads_like_the_line_itself(log, clock, caplog):
    for _ in range(3):
        log.failed("h:bad", "a.b", ValueError("x"))
    caplog.clear()
    clock.now += LOG_INTERVAL
    log.summarise()
    assert lines(caplog) == [
        "WARNING repeated in the last 10 s: handler failed handler=h:bad: ValueError (2 more)"
    ]


def test_what_is_not_allowed_is_said_with_its_type_and_the_sum(log, clock, caplog):
    for kind in (b"a.b", b"c\n" + b"x" * 500):
        log.refused("sensor@1.2.3.4:5", "allow:sensor", pack([b"", kind, b"x"]), 3)
    expected = "not allowed peer=sensor@1.2.3.4:5 type=a.b: see [allow:sensor]"
    assert lines(caplog) == [f"WARNING {expected}"]
    clock.now += LOG_INTERVAL
    log.summarise()
    assert "(3 more)" in lines(caplog)[0]
    found = {(one.place, one.reason): one.messages for one in log.losses.latest()}
    assert found["allow:sensor", "refused"] == 6
    assert found["a.b", "refused by allow:sensor"] == 3


async def test_a_task_that_dies_is_said(log, caplog):
    async def work(error):
        if error is not None:
            raise error

    caplog.clear()
    for error in (RuntimeError("on purpose"), None):
        task = asyncio.create_task(work(error), name="link h:far")
        task.add_done_callback(log.ended)
        await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "RuntimeError: on purpose" in caplog.text
    assert lines(caplog) == ["ERROR ended by a fault, needs a restart: link h:far"]


def test_what_is_remembered_of_a_stranger_is_bounded(log, clock, caplog):
    long = "t" * 1_000_000
    for _ in range(2):
        log.unrouted(long, 1)
        log.peer_closed("cc", f"{long}:5", long)
        log.malformed(f"{long}:5", pack([b"", b"a b"]), 1)
        log.failed(f"h:{long}", long, ValueError(long))
    caplog.clear()
    clock.now += LOG_INTERVAL
    log.summarise()
    found = lines(caplog)
    assert len(found) == 4 and all("(1 more)" in line for line in found)
    assert max(map(len, found)) < 1100
    assert sum("(1000000 characters)" in line for line in found) >= 2


def test_a_message_that_is_none_is_looked_at_only_for_a_line(log, monkeypatch, caplog):
    looked = []

    def unpack(raw):
        looked.append(raw)
        raise ValueError("on purpose")

    monkeypatch.setattr("ccproxy.net.notices.unpack", unpack)
    for _ in range(5):
        log.malformed("10.0.0.1:5", b"raw", 1)
    assert len(looked) == 1 and len(lines(caplog)) == 1


def test_a_service_that_does_not_answer_is_named_once_and_counted(log, caplog):
    for _ in range(100):
        log.unanswered("h:sum", "Connection refused")
    assert lines(caplog) == ["WARNING unanswered handler=h:sum: Connection refused"]
    assert log.faults == {"h:sum": {"unanswered": 100}}
    [loss] = log.losses.latest()
    assert (loss.place, loss.reason, loss.messages) == ("h:sum", "unanswered", 100)


def test_calls_that_went_wrong_are_counted_by_section(log):
    """Also those that the log no longer names."""
    for _ in range(100):
        log.failed("h:x", "a.b", ValueError("on purpose"))
    log.failed("h:x", "a.b", Full("no room"))
    log.slow("h:y", "a.b", 0.5, 0.0)
    log.slow("h:y", "(status)", 0.5, 0.0)
    assert log.faults == {"h:x": {"failed": 100, "refused": 1}, "h:y": {"slow": 1}}


def test_the_counts_of_an_outbox_leave_out_reasons_that_did_not_occur(log, caplog):
    box = Outbox("x", Limits(messages=1))
    box.offer(pack([b"a"]) * 2, 2)
    log.outbox(box)
    box.clear("gone")
    box.dropped["old"] = 0
    log.outbox(box)
    assert lines(caplog) == [
        "INFO outbox name=x queued=2 sent=0 waiting=1 dropped-full=1",
        "INFO outbox name=x queued=2 sent=0 waiting=0 dropped-full=1 dropped-gone=1",
    ]
