"""The sidecar of a program without a library: what it says, and what it does with connections."""

from contextlib import contextmanager

import pytest

from ccproxy import Handler
from ccproxy.protocols import ssmmp
from ccproxy.service import Configuration
from ccproxy.testing import run_handler
from ccproxy_handlers.ssmmp.agent.sidecar import Callbacks, Sidecar

CONFIGURATION = Configuration(
    "tcp://127.0.0.1:1", "legacy", 7, "127.0.0.1",
    plugs={"db": ssmmp.PlugEntry("db", "store", "sql")}, token="secret",
)  # fmt: skip


class Idle(Handler):
    """Gives its context."""


class Transport:
    aborted = False

    def abort(self):
        self.aborted = True


class Near:
    """The program's end of a connection."""

    def __init__(self):
        self.transport = Transport()
        self.ended = None


class Bench:
    """A sidecar whose bytes are read as messages."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.sent = []
        self.stopped = []
        self.sidecar = Sidecar(ctx, CONFIGURATION, Callbacks(self.send, self.stopped.append))

    def send(self, name, data):
        assert name == self.sidecar.name == "sidecar 7"
        self.sent += [ssmmp.parse(unit) for unit in ssmmp.Reader().feed(data)]

    def take(self, type):
        self.ctx.advance(0.0)
        message = self.sent.pop(0)
        assert message.type == type
        return message

    def tell(self, type, id, **fields):
        made = ssmmp.AGENT_TO_INSTANCE.make(type, id, **fields)
        self.sidecar.received(ssmmp.format(made))

    def attach(self):
        self.sidecar.attach()
        hello = self.take("instance_hello_request")
        self.tell("instance_hello_response", hello.id, status=200)
        return hello


@contextmanager
def running():
    with run_handler(Idle, {}) as found:
        yield Bench(found.ctx)


@pytest.fixture
def bench():
    with running() as made:
        yield made


def test_it_says_hello_for_its_program(bench):
    hello = bench.attach()
    assert hello.number("service_instance_id") == 7
    assert hello.extra("x_token") == "secret"


def test_a_connection_of_the_program_asks_for_a_session(bench):
    bench.attach()
    near = Near()
    bench.sidecar.connected("db", near)
    request = bench.take("session_request")
    assert request.text("dest_service_name") == "store"
    bench.tell("session_response", request.id, status=403, dest_socket_port=0,
               dest_service_instance_network_address=ssmmp.NOWHERE)  # fmt: skip
    assert near.transport.aborted and near.ended is None


def test_a_program_that_hangs_up_before_the_answer_is_acknowledged_for(bench):
    bench.attach()
    near = Near()
    bench.sidecar.connected("db", near)
    request = bench.take("session_request")
    near.ended(near, None)
    bench.tell("session_response", request.id, status=200, dest_socket_port=5,
               dest_service_instance_network_address="127.0.0.1")  # fmt: skip
    assert bench.take("session_ack").status == 408


def test_a_graceful_shutdown_ends_the_program(bench):
    bench.attach()
    bench.tell("graceful_shutdown_request", 4, service_name="legacy", service_instance_id=7)
    assert bench.stopped == [7]
    assert bench.take("graceful_shutdown_response").id == 4


def test_after_the_end_of_the_program_nothing_is_sent(bench):
    bench.attach()
    near = Near()
    bench.sidecar.connected("db", near)
    bench.sidecar.close(None)
    bench.ctx.advance(1.0)
    assert near.transport.aborted and bench.sent == []
