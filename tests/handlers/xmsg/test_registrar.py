"""The handler: requests in, answers out, with a state file and without, and what is refused."""

import asyncio
import sqlite3
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack, unpack
from ccproxy_handlers.state_file import StateFile
from ccproxy_handlers.xmsg import durable
from ccproxy_handlers.xmsg.messages import classes
from ccproxy_handlers.xmsg.registrar import LARGE, XmsgRegistrar

MESSAGE = classes()["Registration"]
ADDRESS = "tcp://127.0.0.1:1"


def record(name="n", domain="A", subject="B", type="C", host="h", port=1, **more):
    return MESSAGE(
        name=name, domain=domain, subject=subject, type=type, host=host, port=port, **more
    ).SerializeToString()


class Client:
    """A client of a handler under test."""

    def __init__(self, running, name=b"one", peer="10.0.0.1:4711", limits=Limits()):  # noqa: B008
        self.running, self.name = running, name
        self.switch = Switch(CODEC, None)
        self.box = Outbox("client", limits)
        self.role = running.ctx.bound[ADDRESS]
        self.role.joined(name, self.box)
        source = MessageSource(name, peer, "h:test")
        self.sink = self.role.ingress(self.switch, PeerInput(source, (1 << 20, 100)))

    def send(self, action, data=b""):
        return self.sink.feed(pack([b"", action.encode(), b"me", data]))

    def leave(self):
        self.role.left(self.name, self.box)

    def ask(self, action, data=b""):
        """Status and records of the answer."""
        self.send(action, data)
        self.running.ctx.settle()
        return self.answer()

    def answer(self):
        assert self.box.waiting == 1
        chunk, _ = self.box.first()
        self.box.advance(len(chunk))
        empty, _, sender, status, *records = unpack(chunk)
        assert (empty, sender) == (b"", b"127.0.0.1:registrar")
        return status.decode(), records


@contextmanager
def registrar(**options):
    named = {name.replace("_", "-"): value for name, value in options.items()}
    with run_handler(XmsgRegistrar, {"address": ADDRESS, **named}) as running:
        try:
            yield running
        finally:
            running.ctx.run(running.handler.stop())


def settled(running, condition):
    """Let threads work until this is true."""

    async def until():
        while not condition():
            await asyncio.sleep(0.001)

    running.ctx.run(until())


def test_what_is_registered_is_found_and_removed():
    with registrar() as running:
        client = Client(running)
        assert client.ask("registerPublisher", record()) == ("success", [])
        assert client.ask("findPublisher", record(subject="*")) == ("success", [record()])
        assert client.ask("allSubscriber") == ("success", [])
        assert running.handler.status() == {"publishers": 1, "subscribers": 0, "clients": 1}
        assert client.ask("removeAllRegistration", b"h") == ("success", [])
        assert client.ask("allPublisher") == ("success", [])
        assert running.handler.registry.databases["Publisher"].held == 0
        client.leave()
        assert running.handler.status()["clients"] == 0


def test_every_mistake_is_answered():
    with registrar(max_record="100") as running:
        client = Client(running)
        client.sink.feed(pack([b"", b"two", b"frames"]))
        assert client.answer() == ("invalid registrar server request format", [])
        assert client.ask("nonsense") == ("unknown registration request", [])
        assert client.ask("findPublisher", b"\xff")[0].startswith("Error parsing message")
        assert client.ask("registerPublisher", bytes(101))[0].endswith("100 are allowed")
        assert client.ask("registerPublisher", record(domain="*"))[0].startswith("a topic needs")
        assert running.ctx.counters["refused"] == 5


def test_large_answers_are_made_in_steps_and_joined_in_a_thread():
    with registrar() as running:
        client = Client(running)
        for number in range(200):
            assert client.ask(
                "registerPublisher", record(type=f"{number}", description="d" * 8000)
            ) == ("success", [])
        client.send("allPublisher")
        settled(running, lambda: client.box.waiting)
        assert client.box.bytes > LARGE
        status, records = client.answer()
        assert status == "success" and len(records) == 200


def test_an_answer_that_is_too_large_is_an_error():
    with registrar() as running:
        client = Client(running, limits=Limits(3000))
        for number in range(30):
            client.ask("registerPublisher", record(type=f"{number}", description="d" * 100))
        assert (
            client.ask("allPublisher")[0]
            == f"there is room for {3000 - 1024 - 2} bytes of an answer"
        )
        assert client.ask("exactPublisher", record(type="7"))[0] == "success"


def test_answers_that_are_not_read_are_bounded():
    with registrar(max_unread="1 MiB") as running:
        first, second = Client(running), Client(running, b"two")
        for number in range(80):
            first.ask("registerPublisher", record(type=f"{number}", description="d" * 15000))
        second.send("allPublisher")
        assert second.answer()[0] == "too many large answers are not read yet"


# Clients that are gone


def test_records_of_a_client_that_is_gone_expire():
    with registrar(expire="5 s") as running:
        client, other = Client(running), Client(running, b"two", "10.0.0.2:1")
        client.ask("registerPublisher", record("mine"))
        other.ask("registerPublisher", record("other"))
        client.leave()
        running.ctx.advance(4.0)
        assert len(other.ask("allPublisher")[1]) == 2
        running.ctx.advance(4.0)
        assert other.ask("allPublisher")[1] == [record("other")]
        assert running.ctx.counters["expired"] == 1


# The state file


def test_an_answer_waits_for_the_state_file(tmp_path):
    file = tmp_path / "r.db"
    with registrar(state=str(file)) as running:
        client = Client(running)
        assert client.send("registerPublisher", record())[1] == BLOCKED
        assert not client.box.waiting
        settled(running, lambda: client.box.waiting)
        assert client.answer() == ("success", [])
        assert running.handler.status()["commits"] == 1
    with registrar(state=str(file)) as running:
        client = Client(running)
        assert client.ask("allPublisher") == ("success", [record()])
        client.send("removePublisherRegistration", record())
        settled(running, lambda: client.box.waiting)
        assert client.answer() == ("success", [])
        assert running.handler.registry.databases["Publisher"].held == 0
    with registrar(state=str(file)) as running:
        assert Client(running).ask("allPublisher") == ("success", [])


def test_what_changes_nothing_waits_for_the_change_that_it_depends_on(tmp_path):
    with registrar(state=str(tmp_path / "r.db")) as running:
        first, second = Client(running), Client(running, b"two")
        first.send("registerPublisher", record())
        second.send("registerPublisher", record())
        assert not second.box.waiting
        settled(running, lambda: second.box.waiting and first.box.waiting)


def test_a_state_file_that_cannot_be_written_is_said_until_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "RETRY_INTERVAL", 0.01)
    failing = [True]
    write = StateFile.write

    def unwritable(self, rows):
        if failing[0]:
            raise sqlite3.OperationalError("disk is full")
        write(self, rows)

    monkeypatch.setattr(StateFile, "write", unwritable)
    file = tmp_path / "r.db"
    with registrar(state=str(file)) as running:
        client = Client(running)
        client.send("registerPublisher", record())
        settled(running, lambda: client.box.waiting)
        assert client.answer() == ("the registration may be lost: disk is full", [])
        refused = ("nothing can be changed: disk is full", [])
        assert client.ask("removeAllRegistration", b"h") == refused
        assert client.ask("allPublisher")[1] == [record()]
        assert running.handler.status()["fault"] == "disk is full"
        failing[0] = False
        settled(running, lambda: not running.handler.status()["fault"])
    with registrar(state=str(file)) as running:
        assert Client(running).ask("allPublisher") == ("success", [record()])


def test_a_file_that_is_no_state_file_is_said(tmp_path):
    file = StateFile(str(tmp_path / "r.db"))
    file.write([("Publisher", "1", "10.0.0.1 AAAA")])
    file.close()
    with pytest.raises(ValueError, match="row Publisher 1: "), registrar(state=file.path):
        pass


def test_restored_records_expire_as_well(tmp_path):
    file = str(tmp_path / "r.db")
    with registrar(state=file) as running:
        client = Client(running)
        client.send("registerPublisher", record())
        settled(running, lambda: client.box.waiting)
    with registrar(state=file, expire="5 s") as running:
        running.ctx.advance(7.0)
        settled(running, lambda: running.handler.status()["commits"])
        assert running.handler.registry.count == 0


def test_a_registrar_that_stops_changes_nothing():
    with registrar() as running:
        client = Client(running)
        running.ctx.run(running.handler.stop())
        status, _ = client.ask("registerPublisher", record())
        assert status == "nothing can be changed: the registrar is stopping"


def test_addresses_that_nothing_protects_are_named():
    plan = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=3))
    options = options_for(XmsgRegistrar, "address = tcp://*:8888")
    [problem] = XmsgRegistrar("h:r", options).check(plan)
    assert problem.warning and "tcp://*:8888" in problem.what
    assert XmsgRegistrar("h:r", options).decide("x").reason
