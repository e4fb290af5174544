"""A switch and its handlers without sockets."""

import pytest

from ccproxy.commands import common
from ccproxy.commands.offline import OfflineServer
from ccproxy.plugins import Plugins

HEAD = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\ncc-role = remote\nplugins = .\n"
PLUGIN = """\
from pathlib import Path
from ccproxy import Accepted, Handler, Refuse, Reply

class Odd(Handler):
    \"\"\"Does what its messages say, to see what comes of it.\"\"\"
    seen = 0

    async def start(self, ctx):
        await super().start(ctx)
        if self.name == "h:writes":
            Path("/tmp/never-made-by-a-test").write_text("")

    def handle(self, message):
        self.seen += 1
        self.ctx.log.warning("seen %d", self.seen)
        what = message.type.rpartition(".")[2]
        if what == "exit":
            raise SystemExit(3)
        if what == "refuse":
            raise Refuse("not wanted")
        if what == "wrong":
            return 7
        if what == "later":
            self.ctx.call_later(1.0, lambda: self.ctx.act(Reply("late"), message))
            self.ctx.task(self.fail())
            return None
        if what == "accept":
            accepted = Accepted(message)
            self.ctx.call_later(1.0, lambda: accepted.refused("in the end"))
            return accepted
        return Reply("seen", {"number": self.seen})

    async def fail(self):
        await self.ctx.run_blocking(Path("/tmp/never-made-by-a-test").mkdir)
"""


@pytest.fixture
def started(tmp_path):
    """Makes the server of a configuration."""
    (tmp_path / "odd.py").write_text(PLUGIN)
    slow = PLUGIN.replace("    seen = 0", '    seen = 0\n    runs = "thread"')
    (tmp_path / "slow.py").write_text(slow)

    async def started(text):
        (tmp_path / "x.ini").write_text(HEAD + text)
        plugins = Plugins()
        plan, problems = common.load(tmp_path / "x.ini", plugins=plugins)
        assert plan is not None, [str(one) for one in problems]
        server = OfflineServer(plan, plugins)
        await server.start()
        server.listen(plan.listeners[0])
        return server

    return started


async def give(server, type, value=None, peer="", wait=0.0):
    message = server.peer.message(type, value, server.plan.listeners[0])
    return await server.give(message, peer, wait)


ODD = "[routes]\na = h:odd\n[h:odd]\nhandler = odd\n"


async def test_a_handler_keeps_its_state_over_steps(started):
    server = await started(ODD)
    for number in (1, 2):
        outcome = await give(server, "a.b")
        assert (outcome.fate, outcome.reached) == ("replied", ["h:odd"])
        [(type, value)] = outcome.replies
        assert (type, value["number"]) == ("seen", number)
        assert outcome.log == [f"[h:odd] WARNING: seen {number}"]
    await server.stop()


@pytest.mark.parametrize("word", ["odd", "slow"])
async def test_what_a_handler_raises_is_told_apart(started, word):
    server = await started(ODD.replace("= odd", f"= {word}"))
    outcome = await give(server, "a.exit")
    assert "3" in outcome.raised["h:odd"]
    assert outcome.fate == "failed"
    outcome = await give(server, "a.refuse")
    assert outcome.refused == {"h:odd": "Refuse: not wanted"}
    assert outcome.raised == {}
    assert outcome.fate == "refused"
    outcome = await give(server, "a.wrong")
    assert "handle returned 7" in outcome.raised["h:odd"]
    assert (await give(server, "a.good")).fate == "replied"
    await server.stop()


async def test_time_passes_when_it_is_told_to(started):
    server = await started(ODD)
    outcome = await give(server, "a.later")
    assert outcome.replies == []
    assert "PermissionError" in outcome.raised["h:odd"]
    outcome = await server.give(None, "", 1.0)
    assert [type for type, _ in outcome.replies] == ["late"]
    assert (outcome.fate, outcome.reached) == ("", [])
    await server.stop()


async def test_a_handler_that_writes_at_its_start_cannot_run(started):
    server = await started("[routes]\na = h:writes\n[h:writes]\nhandler = odd\n")
    assert "a config test writes no file" in server.not_started["h:writes"]
    outcome = await give(server, "a.b")
    assert (outcome.reached, outcome.raised, outcome.replies) == (["h:writes"], {}, [])
    await server.stop()


CHAIN = """\
[routes]
a = h:first
[h:first]
handler = filter
forward-to = h:second
exclude = *.no
[h:second]
handler = filter
forward-to = h:delay
[h:delay]
handler = delay
delay = 5
forward-to = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:5001
"""


async def test_a_way_over_several_handlers(started):
    server = await started(CHAIN)
    outcome = await give(server, "a.yes")
    assert outcome.reached == ["h:first", "h:second", "h:delay"]
    assert (outcome.fate, outcome.forwarded) == ("consumed", [])
    outcome = await server.give(None, "", 5.0)
    assert outcome.forwarded == [("h:far", "tcp://127.0.0.1:5001", "a.yes")]
    outcome = await give(server, "a.no", wait=5.0)
    assert (outcome.fate, outcome.reached) == ("discarded", ["h:first"])
    await server.stop()


async def test_a_held_message_reaches_its_target_within_the_same_step(started):
    server = await started(CHAIN)
    outcome = await give(server, "a.yes", wait=5.0)
    assert outcome.reached == ["h:first", "h:second", "h:delay", "h:far"]
    await server.stop()


async def test_what_a_peer_may_send(started):
    server = await started(ODD + "[allow:ann]\nplain = ann\nsend = a.b, b\n")
    assert (await give(server, "a.b", peer="ann")).fate == "replied"
    outcome = await give(server, "a.c", peer="ann")
    assert (outcome.fate, outcome.reached) == ("refused", [])
    assert outcome.refused == {"allow:ann": "it may not send this type"}
    await server.stop()


async def test_of_handlers_that_call_only_the_last_one_is_reached(started):
    server = await started(
        "[routes]\na = h:one\na.b = h:two\n[h:one]\nhandler = redirect\n"
        "location = socket://127.0.0.1:1\n[h:two]\nhandler = redirect\n"
        "location = socket://127.0.0.1:2\n"
    )
    outcome = await give(server, "a.b.add")
    assert outcome.reached == ["h:two"]
    assert outcome.forwarded == [("h:two", "tcp://127.0.0.1:2", "")]
    await server.stop()


async def test_types_without_a_route_and_no_types(started):
    server = await started(ODD)
    assert (await give(server, "b")).fate == "unrouted"
    assert (await give(server, "a..b")).fate == "malformed"
    await server.stop()


async def test_a_message_that_is_accepted_has_its_fate_later(started):
    server = await started(ODD)
    assert (await give(server, "a.accept")).fate == "consumed"
    outcome = await give(server, "a.accept", wait=2)
    assert outcome.refused == {"h:odd": "Refuse: in the end"}
    assert outcome.fate == "refused"
    await server.stop()
