"""The types of requests that are passed, what a response of ours names, and a reload."""

import asyncio

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.routes import Routes
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http.access import HttpListenerOptions
from ccproxy.protocols.jolie.http.pass_listener import SHOWN, PassListener


@pytest.fixture
def listen(kit):
    def listen(**options):
        factory = Plugins().protocol("http")
        given = HttpListenerOptions(type="web", http="pass", **options)
        plan = ListenerPlan("listen:w", "http", factory, "tcp://127.0.0.1:0", given, 1)
        listener = factory("http").listener(plan, kit())
        listener.acceptor.open(given)
        listener.acceptor.accept()
        return listener

    return listen


async def ask(listener, request):
    port = int(listener.acceptor.bound.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def close(listener):
    listener.acceptor.close()
    await listener.close_peers("done", 0.1)


async def test_the_option_makes_it_and_types_come_from_paths(listen):
    listener = listen()
    assert isinstance(listener, PassListener)
    for names, type in (
        ((), "web"), (("a",), "web.a"), (("a", "b.c"), "web.a.b_c"), (("\u00e4", "x"), "web._.x"),
    ):  # fmt: skip
        assert listener.type_of(names) == type
    await close(listener)


async def test_a_404_names_the_paths_that_there_are(listen, kit):
    listener = listen()
    assert listener.reason("unrouted", "web.x") == "no route for web.x; there are no paths at all"
    table = {f"web.p{number}.q": ("h:x",) for number in range(SHOWN + 1)}
    listener.kit.switch._routes = Routes(table.items())
    said = listener.reason("unrouted", "web.x")
    assert said.startswith("no route for web.x; there are /p0/q, /p1/q, ")
    assert said.endswith(f"/p{SHOWN - 1}/q, ...")
    assert listener.reason("full", "web.x") == "web.x is full"
    answer = await ask(listener, b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n") and b"/p0/q" in answer
    await close(listener)


async def test_a_reload_holds_for_the_next_request(listen):
    listener = listen()
    listener.reconfigure(HttpListenerOptions(type="other", http="pass", hosts=("a.example",)))
    assert listener.type_of(("a",)) == "other.a"
    assert listener.access.hosts == {"a.example"}
    assert listener.pace.silent == listener.options.handshake_timeout
    await close(listener)
