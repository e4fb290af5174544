"""Records reach the state file before what follows them is done."""

import asyncio
import sqlite3

import pytest

from ccproxy.testing import FakeContext
from ccproxy_handlers.ssmmp.journal import Record
from ccproxy_handlers.ssmmp.manager import writer as module
from ccproxy_handlers.ssmmp.manager.writer import DurableWriter


class File:
    """In place of a StateFile: what is written, and errors to raise first."""

    def __init__(self):
        self.path = "state.db"
        self.transactions = []
        self.errors = []
        self.closed = False
        self.looks = 0

    def write(self, rows):
        if self.errors:
            raise self.errors.pop(0)
        self.transactions.append(list(rows))

    def restore_vanished(self):
        self.looks += 1
        if self.errors:
            raise self.errors.pop(0)

    def close(self):
        self.closed = True


@pytest.fixture
def file():
    return File()


@pytest.fixture
def ctx():
    made = FakeContext()
    made.notices = []
    yield made
    made.close()


@pytest.fixture
def writer(ctx, file):
    return DurableWriter(ctx, file, ctx.notices.append)


def number(value, key="instance"):
    return Record("counter", key, value)


def test_a_turn_of_the_loop_is_one_transaction_with_the_last_row_of_each_key(ctx, writer, file):
    for value in (1, 2, 3):
        writer.add(number(value))
    writer.add(number(7, "session"))
    assert writer.waiting == 4
    ctx.settle()
    assert file.transactions == [[("counter", '"instance"', "3"), ("counter", '"session"', "7")]]
    assert (writer.written, writer.commits, writer.waiting) == (2, 1, 0)


def test_calls_come_in_their_order_when_their_records_are_written(ctx, writer, file):
    seen = []
    writer.then(lambda: seen.append(("first", len(file.transactions))))
    writer.add(number(1))
    writer.then(lambda: seen.append(("second", len(file.transactions))))
    assert seen == []
    ctx.settle()
    assert seen == [("first", 1), ("second", 1)]


def test_without_records_there_is_no_transaction(ctx, writer, file):
    seen = []
    writer.then(lambda: seen.append(1))
    ctx.settle()
    assert seen == [1] and file.transactions == []


def test_one_call_that_fails_does_not_hold_up_the_others(ctx, writer):
    seen = []

    def wrong():
        raise ValueError("no such form")

    writer.then(wrong)
    writer.then(lambda: seen.append(1))
    ctx.settle()
    assert seen == [1]
    assert any("message not written" in line for line in ctx.lines)


def test_many_messages_leave_in_more_than_one_turn_of_the_loop(ctx, writer, monkeypatch):
    monkeypatch.setattr(module, "CALLS_AT_ONCE", 3)
    seen, turns = [], []
    for number_ in range(7):
        writer.then(lambda n=number_: seen.append(n))

    async def count():
        while len(seen) < 7:
            turns.append(len(seen))
            await asyncio.sleep(0)

    ctx.task(count())
    ctx.settle()
    assert seen == list(range(7)) and {3, 6} <= set(turns)


def test_what_cannot_be_written_is_tried_again_and_said_once(ctx, writer, file, monkeypatch):
    monkeypatch.setattr(module, "RETRY_INTERVAL", 0.0)
    file.errors = [sqlite3.OperationalError("disk is full"), OSError("disk is full")]
    seen = []
    writer.add(number(1))
    writer.then(lambda: seen.append(writer.fault))
    ctx.settle()
    assert seen == [""] and len(file.transactions) == 1
    assert [(one.subject, one.detail.split(",")[0], one.alarm) for one in ctx.notices] == [
        ("state.db", "cannot be written", True), ("state.db", "can be written again", False),
    ]  # fmt: skip


def test_it_is_full_when_too_much_waits(writer, ctx, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    writer.add(number(1))
    assert not writer.full
    writer.then(lambda: None)
    assert writer.full
    ctx.settle()
    assert not writer.full


def test_the_end_waits_for_what_is_on_its_way(ctx, writer, file):
    writer.add(number(1))
    ctx.run(writer.end())
    assert len(file.transactions) == 1 and file.closed


def test_what_comes_after_the_end_is_neither_written_nor_told_as_written(ctx, writer, file):
    told = []
    ctx.run(writer.end())
    writer.add(number(1))
    writer.then(lambda: told.append(1))
    ctx.settle()
    assert file.transactions == [] and not told


def test_an_end_that_cannot_wait_for_the_file_says_what_is_not_written(
    ctx, writer, file, monkeypatch
):
    monkeypatch.setattr("ccproxy_handlers.state_writer.CLOSE_TIMEOUT", 0.0)
    monkeypatch.setattr(module, "RETRY_INTERVAL", 0.0)
    told = []
    file.errors = [OSError("no space")]
    writer.add(number(1))
    writer.then(lambda: told.append(1))
    ctx.run(writer.end())
    ctx.settle()
    assert file.transactions == [] and not told
    assert "stopped, records not written: 1" in str(ctx.lines)


def test_a_file_that_vanishes_is_found_without_a_record(ctx, writer, file):
    file.errors = [OSError("the folder is gone")]
    writer.look()
    writer.add(number(1))  # comes during the look, and is written after it
    ctx.settle()
    assert file.looks == 1 and len(file.transactions) == 1
    says = [one.detail for one in ctx.notices]
    assert says == ["cannot be written, nothing leaves: the folder is gone", "can be written again"]
    writer.look()
    ctx.settle()
    assert file.looks == 2 and writer.fault == "" and writer.waiting == 0
