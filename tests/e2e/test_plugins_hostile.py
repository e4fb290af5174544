"""Plugins that try to end the server, each in another way: an echo beside them still answers."""

import json
import socket

import pytest

HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
plugins = %(config_dir)s/plugins
[routes]
echo = h:echo
{routes}
[h:echo]
handler = echo
"""
HOSTILE = '''
"""Raises what would end the server, wherever it is called."""
import asyncio
import sys
from ccproxy import Deliver, Handler, LinkOptions, Reply

ERRORS = {"exit": SystemExit, "interrupt": KeyboardInterrupt, "cancel": asyncio.CancelledError,
          "base": BaseException, "value": ValueError, "key": KeyError}


class Exits(asyncio.Protocol):
    def data_received(self, data):
        sys.exit(9)


class Hostile(Handler):
    standalone = True

    async def start(self, ctx):
        self.ctx = ctx
        ctx.every(0.05, self.tick)
        ctx.on_departure(sys.exit)
        link = ctx.link("tcp://127.0.0.1:PORT3", LinkOptions(), on_message=self.owner)
        link.on_state(sys.exit)
        ctx.task(self.work())
        asyncio.get_running_loop().call_later(0.1, sys.exit, 9)
        ctx.flush_later(self)
        await ctx.listen("tcp://127.0.0.1:PORT4", Exits)

    def owner(self, message):
        raise GeneratorExit("in on_message")

    def flush(self):
        sys.exit("in flush")

    def tick(self):
        raise KeyboardInterrupt("in a timer")

    async def work(self):
        sys.exit("in a task")

    def decide(self, type):
        if type == "hostile.decide":
            sys.exit("in decide")
        if type == "hostile.coroutine":
            return self.work()
        return Deliver()

    def handle(self, message):
        word = message.type.rpartition(".")[2]
        if word == "dict":
            return {"text": "x"}
        raise ERRORS[word]("in handle")

    def status(self):
        raise asyncio.CancelledError("in status")

    def reloaded(self):
        sys.exit("in reloaded")

    def drain(self):
        return self.work()

    async def stop(self):
        sys.exit("in stop")
'''
ROUTES = "hostile = h:hostile"
SECTION = "[h:hostile]\nhandler = hostile\n"
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]


@pytest.fixture
def plugin(tmp_path, fill):
    """Write a drop-in handler."""
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)

    def plugin(name, text):
        (folder / f"{name}.py").write_text(fill(text))

    return plugin


def ask(wire):
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"


def test_nothing_that_a_running_plugin_raises_ends_the_server(
    start, plugin, dial, await_dial, fill, ports
):
    plugin("hostile", HOSTILE)
    server = start(HEAD.format(routes=ROUTES) + SECTION)
    server.tracebacks = True
    wire = dial().greet()
    words = ["exit", "interrupt", "cancel", "base", "value", "key", "dict", "decide", "coroutine"]
    for word in words:
        wire.send(b"", f"hostile.{word}".encode(), b"")
        ask(wire)
    for word in words[:-2]:  # those of one exception in 10 s are summed up
        server.wait_for(f"handler failed handler=h:hostile type=hostile.{word} ")
    far = await_dial("PORT3").greet()
    far.send(b"", b"to.the.owner")
    for what in ("(timer)", "(link state)", "to.the.owner"):
        server.wait_for(f"handler failed handler=h:hostile type={what} ")
    dial().greet().sock.close()
    server.wait_for("handler failed handler=h:hostile type=(departure) ")
    with socket.create_connection(("127.0.0.1", ports["PORT4"])) as own:
        own.sendall(b"x")
        ask(wire)
    server.wait_for("a plugin raised SystemExit(9) in a callback")
    server.wait_for("handler failed handler=h:hostile type=(flush) ")
    ask(wire)
    server.wait_for("task failed")
    server.wait_for("SystemExit: in a task")

    server.reload(fill(HEAD.format(routes=ROUTES + "\nmore = h:echo") + SECTION))
    server.wait_for("handler failed handler=h:hostile type=(reload) ")
    ask(wire)
    server.reload(fill(HEAD.format(routes="")))
    ask(wire)
    assert server.stop() == 0
    assert server.ledger()["failed"] == len(words) + 1


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "asyncio.CancelledError"])
def test_a_thread_goes_on_after_whatever_its_handler_raises(start, plugin, dial, error):
    plugin(
        "threaded",
        f"import asyncio\nfrom ccproxy import Handler, Reply\n\n\nclass Threaded(Handler):\n"
        f"    runs = 'thread'\n\n    def handle(self, message):\n"
        f"        if message.payload[0] == b'bad':\n            raise {error}\n"
        f"        return Reply('done', {{}})\n",
    )
    server = start(HEAD.format(routes="work = h:work") + "[h:work]\nhandler = threaded\n")
    server.tracebacks = True
    wire = dial().greet()
    for text in (b"bad", b"good", b"bad", b"good"):
        wire.send(b"", b"work", text)
    assert [wire.message()[1] for _ in range(2)] == [b"done"] * 2
    server.wait_for("handler failed handler=h:work type=work ")


FAULTS = {
    "import": "import sys\nsys.exit(3)\n",
    "import-base": "raise BaseException\n",
    "import-cancelled": "import asyncio\nraise asyncio.CancelledError\n",
    "import-interrupt": "raise KeyboardInterrupt\n",
    "init": "def __init__(self, name, options):\n        raise SystemExit(3)",
    "check": "def check(self, plan):\n        raise SystemExit(3)",
    "check-interrupt": "def check(self, plan):\n        raise KeyboardInterrupt",
    "check-cancelled": "def check(self, plan):\n        raise asyncio.CancelledError",
    "start": "async def start(self, ctx):\n        raise SystemExit(3)",
    "start-cancelled": "async def start(self, ctx):\n        raise asyncio.CancelledError",
    "start-cancels": "async def start(self, ctx):\n        asyncio.current_task().cancel()",
    "start-plain": "def start(self, ctx):\n        pass",
    "handle-waits": "async def handle(self, message):\n        pass",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_exits_while_it_is_loaded_costs_that_reload(start, plugin, dial, fill, fault):
    text = FAULTS[fault]
    if not fault.startswith("import"):
        text = f"import asyncio\nfrom ccproxy import Handler\n\n\nclass Bad(Handler):\n    {text}\n"
    plugin("bad", text)
    server = start(HEAD.format(routes=""))
    server.tracebacks = True
    wire = dial().greet()
    bad = fill(HEAD.format(routes="bad = h:bad") + "[h:bad]\nhandler = bad\n")
    for _ in range(2):
        server.reload(bad, expect="the old configuration stays")
        ask(wire)
    assert server.count("bad.py") or server.count("[h:bad]")
    server.reload(fill(HEAD.format(routes="more = h:echo")))
    ask(wire)
    assert server.stop() == 0
