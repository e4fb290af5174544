import json

import pytest

from ccproxy import Courier, Handler, Onward
from ccproxy.core.message import Message
from ccproxy.protocols.jolie.cc_calls import CallCodec
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree
from ccproxy.testing import CODEC, message, options_for, run_handler
from ccproxy_handlers.redirect.handler import Redirect

HERE = "location = socket://h:1"
SECRET = f"{HERE}\nrelocate-from = test"


class Peer:
    """The origin of calls: keeps what they are answered."""

    def __init__(self) -> None:
        self.answers = []

    def answer(self, message, answer):
        self.answers.append(answer.content)
        return "replied"


def call(type: str, path: str, value: Tree, peer: Peer) -> Message:
    operation = type.rpartition(".")[2]
    return Message(
        type, (b"p", b"1"), (Call(path, operation, value),), CallCodec(), "listen:x", peer
    )


class Far:
    """The service behind a fake wire."""

    def __init__(self, wire) -> None:
        self.wire = wire
        self.side = Sodep().caller()
        wire.owner.opened(wire)

    def asked(self):
        data = b"".join(self.wire.written)
        self.wire.written.clear()
        return self.side.feed(data)

    def answer(self, token, answer) -> None:
        self.side.answer(token, answer)
        self.wire.owner.received(self.wire, b"".join(self.side.take()))


def texts(messages) -> list:
    return [(one.type, one.value().get("data"), one.value().get("error")) for one in messages]


def test_a_cc_message_is_a_call_and_its_reply_carries_the_answer():
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("calc.Sum",)
        assert redirect.send("calc.Sum.A.sum", {"x": 1}) == []
        [wire] = redirect.ctx.wires
        assert wire.address == "tcp://h:1"
        far = Far(wire)
        [(token, asked)] = far.asked()
        assert (asked.path, asked.operation) == ("/A", "sum")
        assert asked.value.tree() == Tree(None, {"x": [Tree(1)]})
        far.answer(token, Result(Tree(8)))
        assert texts(redirect.ctx.replies) == [("reply.calc.Sum.A.sum", 8, None)]
        redirect.send("calc.Sum.sum", {})
        [(token, asked)] = far.asked()
        far.answer(token, Fault("Bad", Tree("why")))
        error = {"message": "Bad", "code": -32000, "data": "why"}
        assert texts(redirect.ctx.replies)[1:] == [("reply.calc.Sum.sum", None, error)]
        assert redirect.handler.status()["connections"] == 1


def test_calls_of_listeners_are_answered_through_their_origin():
    peer = Peer()
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("*",)
        redirect.give(call("calc.A.sum", "/A", Tree(1), peer))
        redirect.give(call("calc.sum", "/", Tree(2), peer))
        far = Far(redirect.ctx.wires[0])
        (one, first), (two, second) = far.asked()
        # `*` uses up no name, and the listener's own part of the type is none.
        assert (first.path, second.path) == ("/A", "/")
        far.answer(two, Result(Tree("second")))
        far.answer(one, Result(Tree("first")))
        assert [one.value.tree().payload for one in peer.answers] == ["second", "first"]


def test_what_cannot_be_read_is_a_fault():
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("calc",)
        [reply] = redirect.give(message("calc.sum", {}, b"blob"))
        assert "blob" in reply.value()["error"]["data"]
        broken = Message("calc.sum", (b"c",), (b"{", b""), CODEC, "test")
        [reply] = redirect.give(broken)
        assert reply.value()["error"]["message"] == "IOException"
        assert redirect.ctx.wires == []


def test_one_timer_watches_and_rests_when_there_is_nothing_to_watch():
    with run_handler(Redirect, f"{HERE}\ntimeout = 5 s\nidle = 2 s") as redirect:
        ctx = redirect.ctx
        ctx.routes = ("calc",)
        assert ctx.clock._due == []
        redirect.send("calc.sum")
        far = Far(ctx.wires[0])
        assert len(ctx.clock._due) == 1
        ctx.advance(5)
        [reply] = ctx.replies
        assert "within 5 s" in reply.value()["error"]["data"]
        assert far.wire.closed
        ctx.advance(10)
        assert ctx.clock._due == []
        redirect.send("calc.sum")
        far = Far(ctx.wires[1])
        [(token, _)] = far.asked()
        far.answer(token, Result(Tree()))
        ctx.advance(10)
        assert far.wire.closed
        assert ctx.clock._due == []


def test_a_wire_that_takes_nothing_more_is_a_fault():
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("calc",)
        redirect.send("calc.sum")
        wire = redirect.ctx.wires[0]
        Far(wire)
        wire.write = lambda data: False
        [reply] = redirect.send("calc.sum")
        assert "does not read" in reply.value()["error"]["data"]


@pytest.mark.parametrize("how", ["refused", "lost", "garbage", "ended"])
def test_a_connection_that_fails_is_told_at_once(how):
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("calc",)
        redirect.send("calc.sum")
        wire = redirect.ctx.wires[0]
        if how == "refused":
            wire.owner.closed(wire, "Connection refused")
        else:
            Far(wire)
            if how == "lost":
                wire.owner.closed(wire, "reset")
            else:
                wire.owner.received(wire, b"" if how == "ended" else b"\xff" * 20)
                assert wire.closed
        [reply] = redirect.ctx.replies
        assert reply.value()["error"]["message"] == "IOException"
        redirect.send("calc.sum")
        assert len(redirect.ctx.wires) == 2


def test_one_section_divides_calls_among_others():
    sums = Redirect("h:sum", options_for(Redirect, HERE))
    with run_handler(Redirect, "redirects = Sum => h:sum", {"h:sum": sums}) as redirect:
        redirect.ctx.routes = ("calc",)
        redirect.ctx.run(sums.start(redirect.ctx))
        redirect.send("calc.Sum.sum")
        [(_, asked)] = Far(redirect.ctx.wires[0]).asked()
        assert (asked.path, asked.operation) == ("/", "sum")
        [reply] = redirect.send("calc.Nope.sum")
        assert reply.value()["error"]["data"] == "Unknown resource: /Nope; there are Sum"
        assert redirect.handler.status() == {"resources": {"Sum": "h:sum"}}
        redirect.ctx.run(sums.stop())


class Guard(Courier, Handler):
    """Answers what is forbidden itself; marks what it saw."""

    def before(self, call):
        if call.operation == "forbidden":
            return Fault("Forbidden", Tree())
        return call

    def after(self, call, answer):
        return Result(Tree(["seen", answer.value.tree().payload][1] * 10))


def test_couriers_see_calls_and_answers():
    options = f"{HERE}\ncouriers = h:guard"
    with run_handler(Redirect, options, {"h:guard": Guard("h:guard", None)}) as redirect:
        redirect.ctx.routes = ("calc",)
        [reply] = redirect.send("calc.forbidden")
        assert reply.value()["error"]["message"] == "Forbidden"
        redirect.send("calc.sum")
        far = Far(redirect.ctx.wires[0])
        [(token, _)] = far.asked()
        far.answer(token, Result(Tree(8)))
        assert texts(redirect.ctx.replies)[1][1] == 80


def test_relocation_by_message(tmp_path):
    state = tmp_path / "state"
    with run_handler(Redirect, f"{SECRET}\nstate = {state}") as redirect:
        redirect.ctx.routes = ("calc", "relocate.sum")
        [reply] = redirect.send("relocate.sum", {"location": "socket://h:2", "save": True})
        assert reply.value()["data"] == {
            "location": "socket://h:2", "protocol": "sodep", "before": "socket://h:1",
            "calls": 0, "saved": True,
        }  # fmt: skip
        redirect.send("calc.sum")
        assert redirect.ctx.wires[0].address == "tcp://h:2"
    assert json.loads(state.read_text())["location"] == "socket://h:2"
    with run_handler(Redirect, f"{SECRET}\nstate = {state}") as redirect:
        assert redirect.handler.status()["location"] == "socket://h:2"


def test_a_misspelt_name_relocates_nothing():
    with run_handler(Redirect, SECRET) as redirect:
        redirect.ctx.routes = ("calc", "relocate", "relocate.other")
        [reply] = redirect.send("relocate.smu", {"location": "socket://h:2"})
        what = "no redirect is named by relocate.smu; it came to [h:test]"
        assert reply.value()["error"]["data"] == what
        assert redirect.handler.status()["location"] == "socket://h:1"
        for name in ("other", "test"):
            [*_, reply] = redirect.send(f"relocate.{name}", {"location": f"socket://{name}:2"})
            assert reply.value()["data"]["location"] == f"socket://{name}:2"


def test_a_state_that_cannot_be_written_is_said(tmp_path):
    with run_handler(Redirect, f"{SECRET}\nstate = {tmp_path}/no/state") as redirect:
        redirect.ctx.routes = ("relocate.sum",)
        [reply] = redirect.send("relocate.sum", {"location": "socket://h:2", "save": True})
        assert "Relocated, but not saved" in reply.value()["error"]["data"]


@pytest.mark.parametrize(("protocol", "says"), [("nope", 'no protocol "nope"'), ("cc", "cc")])
def test_a_relocation_to_a_protocol_that_calls_no_services_changes_nothing(protocol, says):
    with run_handler(Redirect, SECRET) as redirect:
        redirect.ctx.routes = ("relocate.sum",)
        for fields in ({"location": "socket://h:2", "protocol": protocol}, {"protocol": protocol}):
            [*_, reply] = redirect.send("relocate.sum", fields)
            assert says in reply.value()["error"]["data"]
        assert redirect.handler.status()["location"] == "socket://h:1"


def test_a_relocation_to_the_present_place_changes_nothing():
    with run_handler(Redirect, SECRET) as redirect:
        redirect.ctx.routes = ("calc", "relocate.sum")
        redirect.send("calc.sum")
        redirect.send("relocate.sum", {"location": "socket://h:1", "protocol": "sodep"})
        assert redirect.handler.status()["draining"] == 0
        redirect.send("relocate.sum", {"location": "socket://h:1", "protocol": "http"})
        assert redirect.handler.status()["protocol"] == "http"
        assert len(redirect.ctx.wires) == 2


def test_a_saved_relocation_to_a_protocol_that_is_gone_is_not_used(tmp_path):
    state = tmp_path / "state"
    saved = {"location": "socket://h:2", "protocol": "nope", "instead": ["socket://h:1", "sodep"]}
    state.write_text(json.dumps(saved))
    with run_handler(Redirect, f"{HERE}\nstate = {state}") as redirect:
        assert redirect.handler.status()["location"] == "socket://h:1"


def test_where_calls_of_a_type_go_now():
    sums = Redirect("h:sum", options_for(Redirect, f"{HERE}/!/Inner"))
    table = "redirects = Sum => h:sum\nrelocate-from = test"
    with run_handler(Redirect, table, {"h:sum": sums}) as redirect:
        redirect.ctx.routes = ("calc", "relocate.calc")
        redirect.ctx.run(sums.start(redirect.ctx))
        follow = redirect.handler.follow
        where = "calls sum on resource /Inner of the service at socket://h:1/!/Inner in sodep"
        assert follow("calc.Sum.sum") == Onward(where, ("h:sum",))
        redirect.send("relocate.calc", {"add": "Mul", "location": "socket://h:3"})
        assert follow("calc.Mul.mul") == Onward("calls mul of the service at socket://h:3 in sodep")
        redirect.send("relocate.calc", {"remove": "Sum"})
        fault = "answers with a fault: Unknown resource: /Sum; there are Mul"
        assert follow("calc.Sum.sum") == Onward(fault, wrong=True)
        assert follow("relocate.calc") == Onward()
        redirect.ctx.routes = ("*",)
        assert follow("calc.Sum.sum") == Onward(), "which part names a resource is not known"
        redirect.ctx.run(sums.stop())


def test_calls_that_a_removed_resource_has_are_answered_until_the_end():
    sums = Redirect("h:sum", options_for(Redirect, HERE))
    table = "redirects = Sum => h:sum\nrelocate-from = test"
    with run_handler(Redirect, table, {"h:sum": sums}) as redirect:
        redirect.ctx.routes = ("calc", "relocate.calc")
        redirect.send("relocate.calc", {"add": "Mul", "location": "socket://h:3"})
        redirect.send("calc.Mul.mul")
        redirect.send("relocate.calc", {"remove": "Mul"})
        assert redirect.handler.status()["ending"] == 1
        redirect.handler.drain().close()
        # It was not sent yet, so it is on the newest connection to the same place.
        far = Far(redirect.ctx.wires[-1])
        [(token, _)] = far.asked()
        far.answer(token, Result(Tree(8)))
        [*_, reply] = redirect.ctx.replies
        assert reply.value()["data"] == 8


def test_the_end_answers_everybody():
    with run_handler(Redirect, HERE) as redirect:
        redirect.ctx.routes = ("calc",)
        redirect.send("calc.sum")
        ctx = redirect.ctx
    [reply] = ctx.replies
    assert reply.value()["error"]["data"] == "The redirector stops"
