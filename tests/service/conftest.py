"""A core without any I/O, and both flavours over real sockets with an agent by hand."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.service import Configuration, Core, Service, Settings
from ccproxy.service.aio import AsyncService
from ccproxy.service.events import Attach, SendBytes
from ccproxy.testing import free_ports

ENVIRONMENT = {
    "SSMMP_AGENT": "tcp://127.0.0.1:55556",
    "SSMMP_SERVICE_NAME": "orders",
    "SSMMP_INSTANCE_ID": "7",
    "SSMMP_ADDRESS": "127.0.0.1",
    "SSMMP_SOCKETS": "((orders_api, 54001); (admin, 54002))",
    "SSMMP_PLUGS": "((store_client, sql, store); (mail, post))",
    "SSMMP_TOKEN": "secret",
}
SECONDS = 60.0
FAST = Settings(attach_first=0.01, attach_most=0.05, retry_first=0.01, retry_most=0.05)


class Talk:
    """A core, and what an agent would see of it."""

    def __init__(self, settings=None):
        self.core = Core(Configuration.from_environment(ENVIRONMENT), settings)
        self.now = 100.0
        self.said = []
        self.news = []
        self.do(self.core.start(self.now))

    def do(self, actions):
        for one in actions:
            if isinstance(one, SendBytes):
                self.said.append(ssmmp.parse(one.data.rstrip(b"\n"), ssmmp.Actor.AGENT))
            else:
                self.news.append(one)

    def link(self, status=200):
        self.do(self.core.linked(self.now))
        hello = self.take("instance_hello_request")
        self.tell("instance_hello_response", hello.id, status=status)
        return hello

    def tell(self, type, id, **fields):
        made = ssmmp.AGENT_TO_INSTANCE.make(type, id, **fields)
        self.do(self.core.received(self.now, ssmmp.format(made)))

    def take(self, type):
        """The next thing it says, which is of this type."""
        message = self.said.pop(0)
        assert message.type == type
        return message

    def ask(self):
        key, actions = self.core.ask(self.now, "store_client")
        self.do(actions)
        return key

    def grant(self, status=200, port=54009):
        request = self.take("session_request")
        self.tell("session_response", request.id, status=status, dest_socket_port=port,
                  dest_service_instance_network_address="127.0.0.2")  # fmt: skip
        return request

    def open(self):
        key = self.ask()
        self.grant()
        self.do(self.core.connected(self.now, key, 40001))
        assert self.take("session_ack").status == 200
        self.news.clear()
        return key

    def close_request(self, id=900, side="source", **fields):
        known = {
            "source_service_name": "orders", "source_service_instance_id": 7,
            "source_service_instance_network_address": "127.0.0.1",
            "source_plug_name": "store_client", "source_plug_port": 40001,
            "dest_service_name": "store", "dest_service_instance_network_address": "127.0.0.2",
            "dest_service_instance_id": 3, "dest_socket_name": "sql", "dest_socket_port": 54009,
            "dest_socket_new_port": 54009,
        } | fields  # fmt: skip
        type = f"{side}_service_session_close_request"
        row = ssmmp.row_of(ssmmp.AGENT_TO_INSTANCE.make(type, id))
        self.tell(type, id, **{name: known[name] for name in row.base})

    def accept(self, port=50001):
        key, actions = self.core.accepted(self.now, "orders_api", ("127.0.0.3", port))
        self.do(actions)
        return key

    def pass_time(self, seconds):
        self.now += seconds
        self.do(self.core.tick(self.now))


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
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.socks.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
            self._threads[-1].start()

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
        self._threads[0].join()  # what it has accepted is known then
        self.listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()


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


@pytest.fixture
def environment():
    return dict(ENVIRONMENT)


@pytest.fixture(scope="session")
def make_talk():
    return Talk


@pytest.fixture
def talk():
    made = Talk()
    assert made.news == [Attach(0.0)]
    made.news.clear()
    made.link()
    return made


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


@pytest.fixture(params=["threads", "asyncio"])
def made(request, agent):
    """A service that is attached."""
    made = FLAVOURS[request.param](agent.configuration)
    agent.accept()
    yield made
    made.stop()


@pytest.fixture
def made_on_asyncio(agent):
    """A service on asyncio that is attached."""
    made = Aio(agent.configuration)
    agent.accept()
    yield made
    made.stop()


@pytest.fixture(params=["threads", "asyncio"])
def flavour(request):
    return FLAVOURS[request.param]


FLAVOURS = {"threads": Threads, "asyncio": Aio}
