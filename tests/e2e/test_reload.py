"""SIGHUP: a good file replaces what changed, the rest stays; a bad one changes nothing."""

import json
import threading

import pytest
import zmq

HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = %(config_dir)s/plugins
"""
SERVER = (
    HEAD
    + """
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""
)
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]


@pytest.fixture
def plugin(tmp_path):
    """Write a drop-in handler."""

    def plugin(name, text):
        folder = tmp_path / "server" / "plugins"
        folder.mkdir(parents=True, exist_ok=True)
        head = '"""A plugin of a test."""\nimport asyncio\nfrom ccproxy import Handler, Reply\n'
        (folder / f"{name}.py").write_text(head + text)

    plugin("nothing", "")
    return plugin


@pytest.fixture
def serve(plugin, start):
    return start


def ask(wire):
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"


def test_what_did_not_change_stays_connected(serve, dial, await_dial, fill):
    """The same TCP connections of a client and of a link go on; new routes and handlers work."""
    server = serve(SERVER)
    far = await_dial("PORT2").greet()
    wire = dial().greet()
    ask(wire)
    changed = SERVER.replace("data = h:next", "data = h:next\nmore = h:next, h:drop")
    server.reload(fill(changed + "[h:drop]\nhandler = disposer\n"))
    for kind in (b"data", b"more.x"):
        wire.send(b"", kind, b"x")
        assert far.message()[-2:] == [kind, b"x"]
    ask(wire)
    far.send(b"", b"unknown")
    server.reload(fill(SERVER.replace("echo = h:echo", "ping = h:echo")))
    wire.send(b"", b"more.x")
    server.wait_for("no route: more.x")
    wire.send(b"", b"echo.request")
    server.wait_for("no route: echo.request")
    wire.send(b"", b"data", b"still")
    assert far.message()[-1] == b"still"
    assert server.count("link up") == 1
    assert not server.count("link down")
    server.stop()
    assert server.ledger()["unrouted"] == 2


def test_nothing_is_lost_while_reloading_under_load(serve, make, fill):
    server = serve(SERVER)
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), sndhwm=100)
    other = "[h:drop]\nhandler = disposer\n"

    def pump():
        for one in range(60_000):
            client.send_multipart([b"", b"data.%d" % (one % 50), b"%d" % one])

    thread = threading.Thread(target=pump)
    thread.start()
    for turn in range(10):
        text = SERVER.replace("[routes]", f"[routes]\nx{turn} = h:drop") + other
        server.reload(fill(text.replace("remote-cc", f"queue = {64 + turn} MiB\nremote-cc")))
    assert [int(far.recv_multipart()[-1]) for _ in range(60_000)] == list(range(60_000))
    thread.join()
    server.stop()
    assert server.ledger() == {"received": 60_000, "forwarded": 60_000}


def test_a_link_that_moves(serve, make, dial, fill):
    """To a new address: what waits for the old one has its linger, then it is gone and counted."""
    server = serve(SERVER + "linger = 100 ms\n")
    wire = dial().greet()
    wire.send(b"", b"data", b"old")
    ask(wire)
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    server.reload(fill(SERVER.replace("PORT2", "PORT3") + "linger = 100 ms\n"))
    wire.send(b"", b"data", b"new")
    assert far.recv_multipart()[-1] == b"new"
    server.wait_for("dropped at stop link=h:next messages=1")
    server.stop()
    assert server.outboxes()["links gone"]["dropped-stop"] == 1


def test_a_section_with_a_new_name_keeps_its_link_and_what_waits_for_it(serve, dial, make, fill):
    """The address says that it is the same link."""
    server = serve(SERVER)
    wire = dial().greet()
    wire.send(b"", b"data", b"waits")
    ask(wire)
    server.reload(fill(SERVER.replace("h:next", "h:renamed")))
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    wire.send(b"", b"data", b"new")
    assert [far.recv_multipart()[-1] for _ in range(2)] == [b"waits", b"new"]
    server.stop()
    assert server.outboxes()["h:renamed"]["sent"] == 2


def test_what_waits_for_an_old_link_holds_up_neither_the_reload_nor_the_end(serve, dial, fill):
    """It has its linger, in the background; at the end it is in the books."""
    ini = SERVER + "linger = 60 s\n"
    server = serve(ini)
    wire = dial().greet()
    wire.send(b"", b"data", b"old")
    ask(wire)
    more = "[listen:second]\nprotocol = cc\naddress = tcp://127.0.0.1:PORT4\n"
    server.reload(fill(ini.replace("PORT2", "PORT3") + more))
    ask(dial("PORT4").greet())
    server.stop()
    counts = server.outboxes()["h:next (replaced)"]
    assert (counts["queued"], counts["dropped-stop"]) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("echo = h:echo", "echo = h:nosuch", "nosuch"),
        ("remote-cc", "remot-cc", "remot-cc"),
        ("[routes]", "[routes", "server.ini"),
        (
            "[h:echo]",
            "[listen:x]\nprotocol = cc\naddress = tcp://127.0.0.1:PORT4\n[h:echo]",
            "PORT4",
        ),
    ],
)
def test_a_bad_file_changes_nothing_and_says_why(serve, dial, make, ports, fill, old, new, why):
    server = serve(SERVER)
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    taken = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT4"))
    assert taken
    wire = dial().greet()
    ask(wire)
    server.reload(
        fill(SERVER.replace(old, new)), expect="reload failed, the old configuration stays"
    )
    assert server.count(fill(why))
    ask(wire)
    wire.send(b"", b"data", b"x")
    assert far.recv_multipart()[-1] == b"x"
    dial().greet()
    server.reload(fill(SERVER))
    assert server.count("link up") == 1


def test_listeners_come_and_go(serve, dial, ports, fill, tmp_path, make):
    server = serve(SERVER)
    first = dial("PORT1").greet()
    more = f"""
[listen:second]
protocol = cc
address = tcp://127.0.0.1:PORT3
[listen:third]
protocol = cc
address = ipc://{tmp_path}/third
"""
    server.reload(fill(SERVER + more))
    second = dial("PORT3").greet()
    third = make(zmq.REQ, connect=f"ipc://{tmp_path}/third")
    third.send_multipart(ASK[1:])
    assert third.recv_multipart()[0] == b"echo.response"
    ask(second)
    ask(first)
    server.reload(fill(SERVER))
    assert second.closed()
    assert not (tmp_path / "third").exists()
    with pytest.raises(ConnectionRefusedError):
        dial("PORT3")
    ask(first)
    server.reload(fill(SERVER.replace("PORT1", "PORT4")))
    assert first.closed()
    ask(dial("PORT4").greet())


def test_options_of_a_listener_change(serve, dial, fill):
    server = serve(SERVER)
    old = dial().greet()
    server.reload(fill(SERVER.replace("cc-role", "max-message = 1000\ncc-role")))
    new = dial().greet()
    new.send(b"", b"data", bytes(2000))
    assert new.closed()
    ask(old)


STATEFUL = """
class Stateful(Handler):
    count = 0

    def handle(self, message):
        self.count += 1
        return Reply("count", {"count": self.count})
"""


def test_a_handler_that_did_not_change_keeps_its_state(serve, plugin, dial, fill):
    plugin("stateful", STATEFUL)
    ini = HEAD + "[routes]\ncount = h:count\n[h:count]\nhandler = stateful\n"
    server = serve(ini)
    wire = dial().greet()

    def count():
        wire.send(b"", b"count")
        return json.loads(wire.message()[2])["count"]

    assert [count(), count()] == [1, 2]
    server.reload(fill(ini.replace("count = h:count", "count = h:count\nmore = h:count")))
    assert count() == 3
    server.reload(fill(ini.replace("h:count", "h:renamed")))
    assert count() == 1


FAILING = {
    "constructor": "def __init__(self, name, options):\n        raise RuntimeError('on purpose')",
    "start": "async def start(self, ctx):\n        raise RuntimeError('on purpose')",
    "stop": "async def stop(self):\n        raise RuntimeError('on purpose')",
}


@pytest.mark.parametrize("where", FAILING)
def test_a_plugin_that_fails_at_reload(serve, plugin, dial, fill, where):
    """Whatever it does wrong, the old configuration goes on and the next reload is obeyed."""
    plugin("failing", f"class Failing(Handler):\n    {FAILING[where]}\n")
    server = serve(SERVER)
    server.tracebacks = True
    wire = dial().greet()
    bad = SERVER.replace("[routes]", "[routes]\nfail = h:fail") + "[h:fail]\nhandler = failing\n"
    expect = "reloaded: " if where == "stop" else "reload failed, the old configuration stays"
    server.reload(fill(bad), expect=expect)
    ask(wire)
    server.reload(fill(SERVER))
    server.wait_for("on purpose")
    ask(wire)


def test_a_plugin_that_fails_at_the_start(serve, plugin):
    plugin("failing", f"class Failing(Handler):\n    {FAILING['start']}\n")
    bad = SERVER.replace("[routes]", "[routes]\nfail = h:fail") + "[h:fail]\nhandler = failing\n"
    server = serve(bad, ready=False)
    assert server.process.wait(60) == 1
    server.stop()
    server.killed = True
    assert server.count("cannot start: [h:fail]: on purpose") == 1
    assert not server.count("listening")


def test_a_start_that_hangs_can_be_stopped(serve, plugin):
    plugin(
        "hang",
        "class Hang(Handler):\n    async def start(self, ctx):\n"
        "        ctx.log.info('hanging')\n        await asyncio.sleep(600)\n",
    )
    bad = SERVER.replace("[routes]", "[routes]\nhang = h:hang") + "[h:hang]\nhandler = hang\n"
    server = serve(bad, ready=False)
    server.wait_for("hanging")
    assert server.stop() == 1
    server.killed = True
    assert server.count("cannot start: asked to stop before the start was done")


STANDALONE = """
from dataclasses import dataclass
from ccproxy import kinds, option

class Alone(Handler):
    standalone = True

    @dataclass(frozen=True)
    class Options:
        port: int = option(kinds.positive, help="where to listen")
        word: str = option(kinds.text, default="one", help="what to answer")

    count = 0
    alive = False

    async def start(self, ctx):
        await super().start(ctx)
        await ctx.listen(f"tcp://127.0.0.1:{self.options.port}", asyncio.Protocol)
        self.alive = True

    async def stop(self):
        self.alive = False

    def handle(self, message):
        return Reply("alone", {"word": self.options.word, "alive": self.alive})
"""


def test_a_handler_with_its_own_port_survives_a_failed_reload(serve, plugin, dial, fill, ports):
    plugin("alone", STANDALONE)
    plugin("failing", f"class Failing(Handler):\n    {FAILING['start']}\n")
    ini = SERVER.replace("[routes]", "[routes]\nalone = h:alone")
    ini += "[h:alone]\nhandler = alone\nport = PORT3\n"
    server = serve(ini)
    server.tracebacks = True  # that of the plugin whose start fails
    wire = dial().greet()

    def said():
        wire.send(b"", b"alone")
        value = json.loads(wire.message()[2])
        return value["word"], value["alive"]

    assert said() == ("one", True)
    server.reload(fill(ini + "word = two\n"))
    assert said() == ("two", True)
    bad = (ini + "word = three\n").replace("[routes]", "[routes]\nfail = h:fail")
    bad += "[h:fail]\nhandler = failing\n"
    server.reload(fill(bad), expect="reload failed, the old configuration stays")
    assert said() == ("two", True)
    dial("PORT3")


def test_many_signals_at_once(serve, dial, fill, until):
    server = serve(SERVER)
    wire = dial().greet()
    for turn in range(30):
        (server.directory / "server.ini").write_text(
            fill(SERVER.replace("[routes]", f"[routes]\nx{turn} = h:echo"))
        )
        server.process.send_signal(1)
    server.reload(fill(SERVER.replace("[routes]", "[routes]\nlast = h:echo")))
    # What it has waited for may be the end of a reload that read the file before.
    until(lambda: server.status()["routes"][0]["prefix"] == "last")
    ask(wire)
    wire.send(b"", b"last")
    server.wait_for("unknown msg: last")


def test_a_hub_gets_and_loses_its_cc_socket(start, make, fill, dial):
    hub = """
[h:jobs]
handler = streamer
in = tcp://127.0.0.1:PORT2
out = tcp://127.0.0.1:PORT3
"""
    bare, listening = ("[ccserver]\n" + hub), SERVER.split("plugins =")[0] + "[routes]\n" + hub
    server = start(bare)
    source = make(zmq.PUSH, connect=fill("tcp://127.0.0.1:PORT2"))
    worker = make(zmq.PULL, connect=fill("tcp://127.0.0.1:PORT3"))
    for text in (bare, listening, bare):
        server.reload(fill(text))
        source.send(b"job")
        assert worker.recv() == b"job"
        if text is listening:
            dial().greet()
        else:
            with pytest.raises(ConnectionRefusedError):
                dial()
