"""The state file of a registrar; what is answered before it has a change is in test_registrar."""

import asyncio
import sqlite3

import pytest

from ccproxy.testing import FakeContext
from ccproxy_handlers.state_file import StateFile
from ccproxy_handlers.xmsg.actions import RegistrarLimits, Registry
from ccproxy_handlers.xmsg.durable import DurableRecords, restore
from ccproxy_handlers.xmsg.expiry import Expiry
from ccproxy_handlers.xmsg.messages import classes

MESSAGE = classes()["Registration"]


def record(name="n"):
    return MESSAGE(name=name, domain="A", host="h", port=1).SerializeToString()


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "r.db")


class Kept:
    """A registry with a state file, and what was said of each change."""

    def __init__(self, ctx, path):
        self.ctx = ctx
        self.registry = Registry(RegistrarLimits())
        self.said = []
        self.settled = []
        self.file = restore(path, True, self.registry, Expiry(0.0), 0.0)
        self.durable = DurableRecords(ctx, self.file, self.settled.append)

    def ask(self, action, data):
        altered = self.registry.request(action, data)
        self.durable.commit(altered, "10.0.0.1", self.said.append)

    def end(self):
        self.ctx.run(self.durable.end())
        assert self.durable.idle


def rows(path):
    file = StateFile(path)
    try:
        return sorted(file.read())
    finally:
        file.close()


def test_changes_of_one_turn_are_one_transaction(ctx, path):
    kept = Kept(ctx, path)
    for name in "abc":
        kept.ask("registerPublisher", record(name))
    kept.ask("removePublisherRegistration", record("b"))
    kept.end()
    assert kept.said == [""] * 4 and len(kept.settled) == 4
    assert kept.durable.commits == 1
    assert [(kind, key) for kind, key, _ in rows(path)] == [("Publisher", "1"), ("Publisher", "3")]
    again = Kept(ctx, path)
    assert again.registry.count == 2
    again.ask("removeAllRegistration", b"h")
    again.end()
    assert rows(path) == []


def test_a_failure_is_told_once_and_tried_again(ctx, path, monkeypatch):
    kept = Kept(ctx, path)
    write, failures = StateFile.write, [1, 2]

    def failing(self, found):
        if failures:
            raise sqlite3.OperationalError(f"no {failures.pop()}")
        write(self, found)

    monkeypatch.setattr(StateFile, "write", failing)
    monkeypatch.setattr("ccproxy_handlers.xmsg.durable.RETRY_INTERVAL", 0.0)
    kept.ask("registerPublisher", record())
    kept.end()
    assert kept.said == ["no 2"] and len(kept.settled) == 1
    assert len(rows(path)) == 1
    assert [line for line in ctx.lines if "cannot be kept" in line and "no 2" in line]
    assert [line for line in ctx.lines if "are kept again" in line]


def test_a_file_that_vanished_is_written_anew(ctx, path, tmp_path):
    kept = Kept(ctx, path)
    kept.ask("registerPublisher", record())
    ctx.run(wait(lambda: kept.said))
    (tmp_path / "r.db").unlink()
    ctx.advance(1.5)
    ctx.run(wait(lambda: kept.durable.idle))
    kept.end()
    assert len(rows(path)) == 1


async def wait(condition):
    while not condition():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("row", [
    ("Nothing", "1", "a AAAA"), ("Publisher", "x", "a CgFu"), ("Publisher", "1", "a ?"),
])  # fmt: skip
def test_a_row_that_is_none_is_said(path, row):
    file = StateFile(path)
    file.write([row])
    file.close()
    with pytest.raises(ValueError, match=rf"r\.db: row {row[0]} {row[1]}: "):
        restore(path, True, Registry(RegistrarLimits()), Expiry(0.0), 0.0)
