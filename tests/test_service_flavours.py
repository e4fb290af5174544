"""The library with threads and on asyncio, over real sockets, with an agent by hand."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.service import Configuration, Service, SessionRefused, Settings
from ccproxy.service.aio import Service as AsyncService
from ccproxy.testing import free_ports

SECONDS = 60.0
FAST = Settings(attach_first=0.01, attach_most=0.05, retry_first=0.01, retry_most=0.05)


class HandAgent:
    """It listens; `accept` takes an instance and greets it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        self.sock = None
        self.id = 0

    @property
    def configuration(self):
        return Configuration(
            f"tcp://127.0.0.1:{self.listener.getsockname()[1]}", "orders", 7, "127.0.0.1",
            {"orders_api": free_ports(1)[0]},
            {"store_client": ssmmp.PlugEntry("store_client", "store", "sql")},
        )  # fmt: skip

    def accept(self):
        self.drop()
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(SECONDS)
        self.reader, self.messages = ssmmp.Reader(), []
        hello = self.expect("instance_hello_request")
        self.tell("instance_hello_response", hello.id, status=200)

    def tell(self, type, id, **fields):
        self.sock.sendall(ssmmp.format(ssmmp.AGENT_TO_INSTANCE.make(type, id, **fields)))

    def ask(self, type, **fields):
        self.id += 1
        self.tell(type, self.id, **fields)
        return self.id

    def expect(self, type):
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if message.type == type:
                    return message
            data = self.sock.recv(65536)
            assert data, f"it hung up before {type}"
            self.messages += [ssmmp.parse(unit) for unit in self.reader.feed(data)]

    def grant(self, port, status=200):
        request = self.expect("session_request")
        self.tell("session_response", request.id, status=status, dest_socket_port=port,
                  dest_service_instance_network_address="127.0.0.1")  # fmt: skip

    def open(self, port):
        self.grant(port)
        return self.expect("session_ack")

    def close_session(self, ack, port):
        return self.ask(
            "source_service_session_close_request", source_service_name="orders",
            source_service_instance_network_address="127.0.0.1", source_service_instance_id=7,
            source_plug_name="store_client", source_plug_port=ack.number("source_plug_port"),
            dest_service_name="store", dest_service_instance_network_address="127.0.0.1",
            dest_socket_name="sql", dest_socket_port=port, dest_socket_new_port=port,
        )  # fmt: skip

    def drop(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def close(self):
        self.drop()
        self.listener.close()


class Echo:
    """A service somewhere else: each line is answered by itself; connections are kept."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.socks = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            while data := sock.recv(4096):
                sock.sendall(data)
        except OSError:
            pass

    def hang_up(self):
        for sock in self.socks:
            with suppress(OSError):  # it may have been reset
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.socks.clear()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()


@pytest.fixture
def agent():
    made = HandAgent()
    yield made
    made.close()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


class Threads:
    """A service with threads, driven from the test's thread."""

    def __init__(self, configuration):
        self.service = Service(configuration, FAST)
        self.service.__enter__()
        self.pool = ThreadPoolExecutor(4)
        self.plug = self.service.plug("store_client")

    def unit(self, work=None, wait=SECONDS):
        """A future of one unit: a line and its answer; `work` is done within it."""

        def run():
            with self.plug.unit(wait) as session:
                session.sock.sendall(b"hello\n")
                if work:
                    work()
                return session.sock.recv(100)

        return self.pool.submit(run)

    def serve(self):
        def handle(session):
            while session.wait_readable() and (data := session.sock.recv(100)):
                session.sock.sendall(data)

        self.service.serve("orders_api", handle)

    def stop(self):
        self.pool.shutdown()
        self.service.close()


class Aio:
    """The same on asyncio, in a loop of its own thread."""

    def __init__(self, configuration):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.service = AsyncService(configuration, FAST)
        self._do(self.service.__aenter__())
        self.plug = self._do(self._plug())

    def unit(self, work=None, wait=SECONDS):
        async def run():
            async with self.plug.unit(wait) as session:
                session.writer.write(b"hello\n")
                if work:
                    await asyncio.to_thread(work)
                return await session.reader.read(100)

        return asyncio.run_coroutine_threadsafe(run(), self.loop)

    def serve(self):
        async def handle(session):
            while data := await session.unless_closing(session.reader.read(100), b""):
                session.writer.write(data)

        self._do(self.service.serve("orders_api", handle))

    def stop(self):
        self._do(self.service.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _plug(self):
        return self.service.plug("store_client")

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)


@pytest.fixture(params=[Threads, Aio], ids=["threads", "asyncio"])
def made(request, agent):
    """A service that is attached."""
    made = request.param(agent.configuration)
    agent.accept()
    yield made
    made.stop()


def test_a_unit_over_a_session_that_is_kept(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    assert unit.result(SECONDS) == b"hello\n"
    assert ack.number("source_plug_port") == echo.socks[0].getpeername()[1]
    assert made.unit().result(SECONDS) == b"hello\n"
    assert len(echo.socks) == 1


def test_connection_refused_then_success_elsewhere(made, agent, echo):
    unit = made.unit()
    agent.grant(free_ports(1)[0])
    assert agent.expect("session_ack").status == 502
    assert agent.open(echo.port).status == 200
    assert unit.result(SECONDS) == b"hello\n"


def test_refused_for_good(made, agent):
    unit = made.unit()
    agent.grant(0, 403)
    with pytest.raises(SessionRefused, match="403"):
        unit.result(SECONDS)


def test_nobody_answers(made, agent):
    with pytest.raises(TimeoutError):
        made.unit(wait=0.1).result(SECONDS)


def test_an_idle_session_is_closed_at_once(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    id = agent.close_session(ack, echo.port)
    answer = agent.expect("source_service_session_close_response")
    assert (answer.id, answer.status) == (id, 200)


def test_a_unit_of_work_is_finished_before_its_session_is_closed(made, agent, echo):
    asked, done = threading.Event(), threading.Event()
    unit = made.unit(lambda: (asked.set(), done.wait(SECONDS)))
    ack = agent.open(echo.port)
    assert asked.wait(SECONDS)
    id = agent.close_session(ack, echo.port)
    health = agent.ask("health_control_request", service_name="orders", service_instance_id=7)
    assert agent.expect("health_control_response").id == health
    assert not agent.messages, "nothing is answered in the middle of a unit"
    done.set()
    assert unit.result(SECONDS) == b"hello\n"
    assert agent.expect("source_service_session_close_response").id == id


def test_the_far_side_of_an_idle_session_ends(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    echo.hang_up()
    info = agent.expect("source_service_session_close_info")
    assert info.number("source_plug_port") == ack.number("source_plug_port")


def test_what_breaks_in_a_unit_is_reported_as_broken(made, agent, echo):
    unit = made.unit(lambda: 1 / 0)
    agent.open(echo.port)
    with pytest.raises(ZeroDivisionError):
        unit.result(SECONDS)
    assert agent.expect("source_service_session_close_info").status == 122


def test_the_agent_restarts(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    agent.drop()
    assert made.unit().result(SECONDS) == b"hello\n", "sessions go on"
    echo.hang_up()
    agent.accept()
    info = agent.expect("source_service_session_close_info")
    assert info.number("source_plug_port") == ack.number("source_plug_port")


def test_health_does_not_wait_for_the_business_logic(made, agent):
    release = threading.Event()
    if isinstance(made, Aio):
        made.loop.call_soon_threadsafe(release.wait, SECONDS)
    else:
        made.pool.submit(release.wait, SECONDS)
    made.service.health = 429
    id = agent.ask("health_control_request", service_name="orders", service_instance_id=7)
    answer = agent.expect("health_control_response")
    release.set()
    assert (answer.id, answer.status) == (id, 429)


def port_of(made):
    return made.service.configuration.port("orders_api")


def test_accepted_sessions(made, agent):
    made.serve()
    with socket.create_connection(("127.0.0.1", port_of(made)), SECONDS) as user:
        user.sendall(b"one")
        assert user.recv(100) == b"one"
        port = user.getsockname()[1]
    info = agent.expect("dest_service_session_close_info")
    assert (info.number("source_plug_port"), info.status) == (port, 111)


def test_accepted_sessions_are_closed_on_request(made, agent):
    made.serve()
    with socket.create_connection(("127.0.0.1", port_of(made)), SECONDS) as user:
        user.sendall(b"one")
        assert user.recv(100) == b"one"
        id = agent.ask(
            "dest_service_session_close_request", dest_service_name="orders",
            dest_service_instance_id=7, dest_service_instance_network_address="127.0.0.1",
            source_service_instance_network_address="127.0.0.1", source_plug_name="p",
            source_plug_port=user.getsockname()[1], dest_socket_name="orders_api",
            dest_socket_port=port_of(made), dest_socket_new_port=port_of(made),
        )  # fmt: skip
        answer = agent.expect("dest_service_session_close_response")
        assert (answer.id, answer.status) == (id, 200)
        assert user.recv(100) == b""


@pytest.mark.parametrize("flavour", [Threads, Aio], ids=["threads", "asyncio"])
def test_graceful_shutdown(flavour, agent, echo):
    made = flavour(agent.configuration)
    agent.accept()
    made.serve()
    unit = made.unit()
    agent.open(echo.port)
    unit.result(SECONDS)
    user = socket.create_connection(("127.0.0.1", port_of(made)), SECONDS)
    user.sendall(b"one")
    assert user.recv(100) == b"one"
    id = agent.ask("graceful_shutdown_request", service_name="orders", service_instance_id=7)
    end = time.monotonic() + SECONDS
    while not made.service.stopping and time.monotonic() < end:
        time.sleep(0.002)
    assert made.service.stopping
    made.stop()
    assert user.recv(100) == b""
    user.close()
    for type in ("dest_service_session_close_info", "source_service_session_close_info"):
        agent.expect(type)
    answer = agent.expect("graceful_shutdown_response")
    assert (answer.id, answer.status) == (id, 200)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(made)), SECONDS)


def test_who_ends_by_itself_says_so(agent):
    with Service(agent.configuration, FAST):
        agent.accept()
    assert agent.expect("service_instance_termination_info").number("service_instance_id") == 7
