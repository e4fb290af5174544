import asyncio
import sys
from dataclasses import dataclass, replace

import pytest

from ccproxy import Forward, Handler, LinkOptions, Reply, kinds, option
from ccproxy.config.plan import HandlerPlan, Plan, RoutePlan
from ccproxy.config.server import ServerOptions
from ccproxy.plugins import Plugins
from ccproxy.server import handlers as module
from ccproxy.server.handlers import HandlerSet, StartFailed
from ccproxy.testing import message

LIFE = []
"""What the handlers of the running test did, in order."""


@pytest.fixture(autouse=True)
def life():
    LIFE.clear()
    return LIFE


class Toy(Handler):
    @dataclass(frozen=True)
    class Options:
        word: str = option(kinds.text, default="x", help="what to answer")

    async def start(self, ctx):
        await super().start(ctx)
        LIFE.append(f"start {self.name} {self.options.word}")
        if self.options.word == "fail":
            raise RuntimeError("on purpose")

    def handle(self, message):
        return Reply(self.options.word)

    async def stop(self):
        LIFE.append(f"stop {self.name} {self.options.word}")


class Alone(Toy):
    standalone = True


class Linked(Toy):
    @dataclass(frozen=True)
    class Options(LinkOptions):
        word: str = option(kinds.text, default="x", help="what to answer")
        to: int = option(kinds.positive, default=9, help="port")

    async def start(self, ctx):
        await super().start(ctx)
        self.link = ctx.link(f"tcp://127.0.0.1:{self.options.to}", self.options)

    def decide(self, type):
        return Forward((self.link.outbox,))


class Made(Handler):
    def __init__(self, name, options):
        raise RuntimeError("never made")


def plan(*handlers):
    """Each (section, class, options); a section has a route of its name."""
    plans = tuple(HandlerPlan(section, "x", kind, made, 1) for section, kind, made in handlers)
    routes = tuple(RoutePlan(one.section, (one.section,), 1) for one in plans)
    return Plan("x.ini", "x", ServerOptions(cc_socket="tcp://127.0.0.1:1"), (), routes, plans)


def toy(section="a", word="x", kind=Toy):
    return section, kind, kind.Options(word=word)


@pytest.fixture
def make(kit):
    def make():
        made = kit()
        return HandlerSet(made, Plugins()), made.switch

    return make


def word_of(switch, type):
    """What the handler that the switch knows by this type says."""
    [receiver] = switch.table._compile(type.encode()).handlers
    return receiver.handle(message(type)).type


async def test_unchanged_ones_go_on_changed_ones_are_replaced_after_their_successor(make):
    handlers, switch = make()
    await handlers.apply(plan(toy("a"), toy("b"), toy("c")))
    kept = handlers.handler("a")
    LIFE.clear()
    await handlers.apply(plan(toy("d"), toy("a"), toy("b", "new")), keep={"a"})
    assert handlers.handler("a") is kept
    assert LIFE == ["start d x", "start b new", "stop b x", "stop c x"]
    assert list(handlers.members) == ["d", "a", "b"]
    assert [word_of(switch, type) for type in "dab"] == ["x", "x", "new"]
    with pytest.raises(KeyError):
        handlers.handler("c")
    assert handlers.routes("d") == ("d",)
    await handlers.stop(0)
    assert LIFE[-3:] == ["stop d x", "stop a x", "stop b new"]


async def test_a_failed_start_changes_nothing(make):
    handlers, switch = make()
    await handlers.apply(plan(toy("a"), toy("b")))
    LIFE.clear()
    with pytest.raises(StartFailed, match=r"^\[c\]: on purpose$"):
        await handlers.apply(plan(toy("a", "new"), toy("c", "fail"), toy("d")))
    assert LIFE == ["start a new", "start c fail", "stop a new", "stop c fail"]
    assert [word_of(switch, type) for type in "ab"] == ["x", "x"]
    assert (handlers.routes("a"), handlers.routes("c")) == (("a",), ())
    await handlers.stop(0)


async def test_a_handler_that_cannot_be_made(make):
    handlers, _ = make()
    await handlers.apply(plan(toy("a")))
    with pytest.raises(StartFailed, match=r"^\[b\]: never made$"):
        await handlers.apply(plan(("b", Made, None)))
    assert list(handlers.members) == ["a"]
    await handlers.stop(0)


async def test_who_has_listeners_of_its_own_lets_go_first_and_comes_back(make):
    handlers, switch = make()
    await handlers.apply(plan(toy("a", "one", Alone)))
    LIFE.clear()
    await handlers.apply(plan(toy("a", "two", Alone)))
    assert LIFE == ["stop a one", "start a two"]
    LIFE.clear()
    with pytest.raises(StartFailed):
        await handlers.apply(plan(toy("a", "three", Alone), toy("b", "fail")))
    assert LIFE == [
        "stop a two", "start a three", "start b fail", "stop a three", "stop b fail", "start a two",
    ]  # fmt: skip
    assert word_of(switch, "a") == "two"
    [receiver] = switch.table._compile(b"a").handlers
    assert receiver is handlers.members["a"].receiver
    await handlers.stop(0)


async def test_links_outlive_a_reload_and_close_when_nobody_uses_them(make, until):
    handlers, switch = make()
    options = Linked.Options(word="x", linger=0.0)
    await handlers.apply(plan(("a", Linked, options)))
    [link] = handlers.links
    link.outbox.offer(b"\0\1a", 1)
    await handlers.apply(plan(("a", Linked, replace(options, word="y", queue=99))))
    assert list(handlers.links) == [link]
    assert (link.outbox.limits.bytes, link.outbox.waiting) == (99, 1)
    assert switch.table._compile(b"a").sinks == (link.outbox,)
    with pytest.raises(StartFailed):
        other = ("a", Linked, replace(options, queue=55))
        more = ("b", Linked, replace(options, to=8))
        await handlers.apply(plan(other, more, toy("c", "fail")))
    assert list(handlers.links) == [link]
    assert link.outbox.limits.bytes == 99
    await handlers.apply(plan(("a", Linked, replace(options, to=7))))
    assert [one.address for one in handlers.links] == ["tcp://127.0.0.1:7"]
    await until(lambda: link.state == "gone")
    past, box = handlers.outboxes()
    assert box is handlers.handler("a").link.outbox
    assert (past.name, past.queued, past.dropped) == ("links gone", 1, {"stop": 1})
    await handlers.stop(0)


async def test_what_waits_for_a_link_that_is_gone_holds_nobody_up(make):
    handlers, _ = make()
    options = Linked.Options(word="x", linger=60.0)
    await handlers.apply(plan(("a", Linked, options)))
    [link] = handlers.links
    link.outbox.offer(b"\0\1a", 1)
    await handlers.apply(plan(toy("a")))
    assert handlers.outboxes() == [link.outbox]
    assert link.outbox.name == "a (replaced)"
    await handlers.stop(0)
    assert (link.state, link.outbox.dropped) == ("gone", {"stop": 1})
    assert handlers.outboxes() == [link.outbox]


class Endless(Toy):
    async def start(self, ctx):
        LIFE.append("start endless")
        await asyncio.sleep(60)


async def test_a_start_that_is_given_up_is_cleaned_up(make, until):
    handlers, _ = make()
    adopting = asyncio.ensure_future(handlers.apply(plan(toy("a"), toy("b", kind=Endless))))
    await until(lambda: "start endless" in LIFE)
    adopting.cancel()
    await asyncio.gather(adopting, return_exceptions=True)
    assert LIFE == ["start a x", "start endless", "stop a x", "stop b x"]
    assert not handlers.members
    await handlers.stop(0)


async def test_a_start_that_takes_too_long_fails(make):
    handlers, switch = make()
    await handlers.apply(plan(toy("a")))
    slow = plan(toy("b", kind=Endless))
    slow = replace(slow, server=replace(slow.server, start_timeout=0.01))
    with pytest.raises(StartFailed, match=r"^\[b\]: not done within start-timeout"):
        await handlers.apply(slow)
    assert word_of(switch, "a") == "x"
    await handlers.stop(0)


@dataclass
class Plain(Toy):
    """A class that compares by value has no hash."""

    seen: int = 0

    def __init__(self, name, options):
        super().__init__(name, options)


async def test_a_plain_dataclass_can_be_a_handler(make):
    handlers, switch = make()
    await handlers.apply(plan(toy("a", "one", Plain), toy("b", "two", Plain)))
    assert [word_of(switch, type) for type in "ab"] == ["one", "two"]
    await handlers.stop(0)


async def test_what_nobody_expected_changes_nothing_either(make, monkeypatch):
    handlers, switch = make()
    await handlers.apply(plan(toy("a", kind=Alone)))

    def broken(*_):
        monkeypatch.undo()
        raise TypeError("on purpose")

    monkeypatch.setattr(module, "configure", broken)
    LIFE.clear()
    with pytest.raises(TypeError, match="on purpose"):
        await handlers.apply(plan(toy("a", "new", Alone), toy("b")))
    assert LIFE == ["stop a x", "start a new", "start b x", "stop a new", "stop b x", "start a x"]
    assert word_of(switch, "a") == "x"
    await handlers.stop(0)


class Odd(Toy):
    async def stop(self):
        await super().stop()
        raise RuntimeError("will not stop")


class Stuck(Toy):
    async def stop(self):
        await asyncio.sleep(60)


async def test_who_misbehaves_at_the_end_does_not_keep_the_others(make, caplog, monkeypatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.05)
    handlers, _ = make()
    await handlers.apply(plan(toy("a", kind=Odd), toy("b", kind=Stuck), toy("c")))
    await handlers.stop(0)
    assert LIFE[-1] == "stop c x"
    for said in (
        "handler failed handler=a type=(stop) messages=1: RuntimeError: will not stop",
        "handler failed handler=b type=(stop) messages=1: TimeoutError",
    ):
        assert said in caplog.text


class Hostile(Toy):
    """Raises what would end the server, in the method that its option names."""

    def __init__(self, name, options):
        super().__init__(name, options)
        self.leave("init")

    def leave(self, method):
        if self.options.word == method:
            sys.exit(3)
        if self.options.word == f"{method} cancelled":
            raise asyncio.CancelledError

    async def start(self, ctx):
        await super().start(ctx)
        self.leave("start")

    def drain(self):
        self.leave("drain")
        return self.end() if self.options.word.startswith("end") else None

    async def end(self):
        self.leave("end")

    def reloaded(self):
        self.leave("reloaded")

    async def stop(self):
        self.leave("stop")


@pytest.mark.parametrize("word", ["init", "start", "start cancelled"])
async def test_a_plugin_that_exits_in_its_start_costs_that_start(make, caplog, word):
    handlers, switch = make()
    await handlers.apply(plan(toy("a")))
    with pytest.raises(StartFailed, match=r"^\[b\]: raised (System|Canc)"):
        await handlers.apply(plan(toy("a", "new"), toy("b", word, Hostile)))
    assert word_of(switch, "a") == "x"
    assert "handler failed handler=b type=(start) messages=1: PluginExit: raised" in caplog.text
    assert "in leave" in caplog.text
    await handlers.apply(plan(toy("a", "next")))
    assert word_of(switch, "a") == "next"
    await handlers.stop(0)


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("drain", "drain"),
        ("end", "drain"),
        ("end cancelled", "drain"),
        ("stop", "stop"),
        ("stop cancelled", "stop"),
    ],
)
async def test_a_plugin_that_exits_when_it_is_replaced_costs_nothing(
    make, caplog, until, word, what
):
    handlers, switch = make()
    await handlers.apply(plan(toy("a", word, Hostile)))
    await handlers.apply(plan(toy("a", "next")))
    assert word_of(switch, "a") == "next"
    said = f"handler failed handler=a type=({what}) messages=1: PluginExit: raised"
    await until(lambda: said in caplog.text)
    await handlers.stop(0)


async def test_a_plugin_that_exits_when_it_hears_of_a_reload_costs_nothing(make, caplog):
    handlers, switch = make()
    await handlers.apply(plan(toy("a", "reloaded", Hostile), toy("b")))
    await handlers.apply(plan(toy("a", "reloaded", Hostile), toy("b", "new")), keep={"a"})
    assert word_of(switch, "b") == "new"
    assert "handler failed handler=a type=(reload) messages=1: PluginExit: raised" in caplog.text
    await handlers.stop(0)


class Misdeclared(Toy):
    def start(self, ctx):
        self.ctx = ctx


async def test_a_start_that_is_no_coroutine_says_what_it_is(make):
    handlers, _ = make()
    said = r"start returned None, expected a coroutine: write `async def start` \(.*handlers.py\)"
    with pytest.raises(StartFailed, match=said):
        await handlers.apply(plan(toy("a", kind=Misdeclared)))
    await handlers.stop(0)


class Telling(Toy):
    """Says at each reload what is different in a file of its own."""

    def reloaded(self):
        return (f"file {number}" for number in range(2))


async def test_what_handlers_that_go_on_say_of_a_reload_is_returned(make):
    handlers, _ = make()
    assert await handlers.apply(plan(toy("a", kind=Telling), toy("b"))) == []
    same = plan(toy("a", kind=Telling), toy("b"))
    assert await handlers.apply(same, keep={"a", "b"}) == ["[a] file 0", "[a] file 1"]
    await handlers.stop(0)


# State files that another process needs


class Stateful(Toy):
    fails = False

    @dataclass(frozen=True)
    class Options:
        file: str = option(kinds.database, default="", help="the database")
        word: str = option(kinds.text, default="x", help="what to answer")

    async def start(self, ctx):
        await super().start(ctx)
        if Stateful.fails:
            raise OSError("the file is taken")


async def test_handlers_with_a_state_file_are_suspended_and_come_back(kit, life, tmp_path):
    made = kit()
    handlers = HandlerSet(made, Plugins())
    one = Stateful.Options(file=str(tmp_path / "a.db"), word="a")
    other = Stateful.Options(file=str(tmp_path / "b.db"), word="b")
    await handlers.apply(plan(("one", Stateful, one), ("two", Stateful, other)))
    life.clear()
    assert await handlers.suspend([str((tmp_path / "a.db").resolve())]) == ["one"]
    assert (life, list(handlers.members)) == (["stop one a"], ["two"])
    [target] = made.switch.targets("one", False)
    assert target.blocking and target.blocking[0].blocked
    called = []
    target.blocking[0].wait(lambda: called.append(1))
    await handlers.resume()
    assert life == ["stop one a", "start one a"]
    assert called == [1]
    assert made.switch.targets("one", False)[0].handlers
    assert await handlers.suspend(["/none"]) == []
    await handlers.resume()
    await handlers.stop(0)
    assert sorted(life[2:]) == ["stop one a", "stop two b"]


async def test_a_suspended_handler_that_cannot_come_back_is_lost(kit, tmp_path, caplog):
    made = kit()
    handlers = HandlerSet(made, Plugins())
    file = str((tmp_path / "a.db").resolve())
    await handlers.apply(plan(("one", Stateful, Stateful.Options(file=file))))
    await handlers.suspend([file])
    Stateful.fails = True
    try:
        await handlers.resume()
    finally:
        Stateful.fails = False
    assert "the file is taken" in caplog.text
    assert made.switch.take(message("one.more")) == "full"
    await handlers.stop(0)


async def test_a_server_that_is_replaced_lets_those_go_on_that_wait(kit, tmp_path):
    made = kit()
    handlers = HandlerSet(made, Plugins())
    file = str((tmp_path / "a.db").resolve())
    await handlers.apply(plan(("one", Stateful, Stateful.Options(file=file))))
    await handlers.suspend([file])
    handlers.stop_accepting()
    handlers.give_up_suspended()
    assert made.switch.take(message("one.more")) == "full"
    await handlers.stop(0)
