"""The task that writes a state file; what is gathered, and when it counts, is tested with each."""

import asyncio

import pytest

from ccproxy.testing import FakeContext
from ccproxy_handlers.state_writer import LOOK_INTERVAL, StateWriter


class File:
    """In place of a StateFile: errors to raise first, by the calls."""

    def __init__(self):
        self.calls = []
        self.errors = []

    def restore_vanished(self):
        self._called("look")

    def close(self):
        self._called("close")

    def _called(self, name):
        self.calls.append(name)
        if self.errors:
            raise self.errors.pop(0)


class Writer(StateWriter):
    """Counts how often it began, and waits while it is held."""

    def __init__(self, ctx, file):
        super().__init__(ctx, file)
        self.begun = 0
        self.held = False
        self.said = []

    def begin(self):
        self._begin()

    async def _write_all(self):
        self.begun += 1
        while self.held:
            await asyncio.sleep(0)

    def _say(self, fault):
        self.said.append(fault)


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


@pytest.fixture
def writer(ctx):
    return Writer(ctx, File())


def test_one_task_at_a_time_and_no_look_meanwhile(ctx, writer):
    writer.held = True
    writer.begin()
    writer.begin()
    assert not writer.idle
    ctx.advance(LOOK_INTERVAL)
    assert writer.begun == 1 and writer._file.calls == []
    writer.held = False
    ctx.settle()
    assert writer.idle
    writer.begin()
    ctx.settle()
    assert writer.begun == 2


def test_what_a_look_finds_is_said_once_and_then_that_it_is_over(ctx, writer):
    writer._file.errors = [OSError("no folder"), OSError("no right")]
    ctx.advance(LOOK_INTERVAL)
    assert writer.fault == "no folder"
    ctx.advance(LOOK_INTERVAL)
    assert writer.fault == "no right" and writer.said == ["no folder"]
    ctx.advance(LOOK_INTERVAL)
    assert writer.fault == "" and writer.said == ["no folder", ""]
    assert writer.begun == 3


def test_an_error_without_a_text_is_a_fault_all_the_same(ctx, writer):
    writer._file.errors = [OSError()]
    ctx.advance(LOOK_INTERVAL)
    assert writer.fault == "OSError"


def test_after_the_end_nothing_looks_any_more(ctx, writer):
    writer._file.errors = [OSError("no folder")]
    ctx.run(writer.end())
    assert writer.said == ["no folder"]
    ctx.advance(3 * LOOK_INTERVAL)
    assert writer._file.calls == ["close"]


def test_the_end_does_not_wait_for_ever_and_leaves_a_file_that_is_in_use(ctx, writer, monkeypatch):
    monkeypatch.setattr("ccproxy_handlers.state_writer.CLOSE_TIMEOUT", 0.05)
    writer.held = True
    writer.begin()
    ctx.run(writer.end())
    assert not writer.idle and writer._file.calls == []
