"""The table as operators change it, and the ports that end."""

import pytest

from ccproxy.protocols.jolie.values import Call, Fault, Tree
from ccproxy.testing import options_for, run_handler
from ccproxy_handlers.redirect import resources as module
from ccproxy_handlers.redirect.destination import ResourceDestination
from ccproxy_handlers.redirect.handler import Redirect
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.ports import PortMaker
from ccproxy_handlers.redirect.preparing import CallPreparation
from ccproxy_handlers.redirect.resources import SWEEP_INTERVAL, Resources

SUM = ResourceDestination("h:sum")
FAR = ResourceDestination("", Location("h", 3), "sodep")


class Made:
    """The resources of a table of two, on the context of a redirect that has it."""

    def __init__(self, redirect):
        self.ctx, self.handler = redirect.ctx, redirect.handler
        self.answers = []
        self.changes = 0
        self.preparation = CallPreparation(self.ctx, self.respond)
        maker = PortMaker(self.ctx, self.handler.options, self.respond)
        self.resources = Resources(maker, self.preparation, self.handler._section)
        self.resources.changed = self.changed

    def changed(self, before):
        self.changes += 1
        self.before = before

    def respond(self, caller, answer):
        self.answers.append(answer)

    def found(self, path):
        """The address of the port, dialled by a call."""
        port = self.resources.find(path, "sum")
        if isinstance(port, Fault):
            return port.value.tree().payload
        return str(port.connections.port.target.location), port.path


@pytest.fixture
def made():
    sums = Redirect("h:sum", options_for(Redirect, "location = socket://h:1"))
    subs = Redirect("h:sub", options_for(Redirect, "location = socket://h:2"))
    table = "redirects = Sum => h:sum, A/Sub => h:sub"
    with run_handler(Redirect, table, {"h:sum": sums, "h:sub": subs}) as redirect:
        redirect.ctx.run(sums.start(redirect.ctx))
        redirect.ctx.run(subs.start(redirect.ctx))
        made = Made(redirect)
        yield made
        for one in list(made.resources.ports):
            one.stop()
        redirect.ctx.run(sums.stop())
        redirect.ctx.run(subs.stop())


def test_a_resource_is_added_moved_and_removed(made):
    resources = made.resources
    assert made.found("/Mul") == "Unknown resource: /Mul; there are Sum, A/Sub"
    resources.put("Mul", FAR)
    assert made.found("/Mul/X") == ("socket://h:3", "/X")
    assert (made.changes, resources.names) == (1, ["A/Sub", "Mul", "Sum"])
    assert made.before is None
    resources.put("Mul", ResourceDestination("", Location("h", 4), "http"))
    assert made.found("/Mul") == ("socket://h:4", "/")
    assert made.changes == 1, "the port moves, the table stays"
    resources.remove("Mul")
    assert made.found("/Mul").startswith("Unknown resource: /Mul; there are")
    assert made.before.port.target.location == Location("h", 4)
    assert resources.changes == {}
    with pytest.raises(ValueError, match="no resource Mul; there are A/Sub, Sum"):
        resources.remove("Mul")


def test_a_resource_of_the_ini_is_removed_replaced_and_put_back(made):
    resources = made.resources
    resources.remove("Sum")
    assert made.found("/Sum") == "Unknown resource: /Sum; there are A/Sub"
    assert resources.changes == {"Sum": None} and resources.destination("Sum") is None
    resources.put("Sum", FAR)
    assert made.found("/Sum") == ("socket://h:3", "/")
    assert resources.leads_to("/Sum", "sum") == ("", "/")
    resources.put("Sum", SUM)
    assert made.found("/Sum") == ("socket://h:1", "/")
    assert resources.leads_to("/Sum", "sum") == ("h:sum", "/")
    assert resources.changes == {}
    resources.put("Plus", SUM)
    assert made.found("/Plus") == ("socket://h:1", "/")


def test_what_cannot_be_put_changes_nothing(made):
    for to in (ResourceDestination("h:nope"), ResourceDestination("", Location("h", 1), "nope")):
        with pytest.raises(ValueError, match="nope"):
            made.resources.put("Mul", to)
    assert made.resources.changes == {} and list(made.resources.ports) == []


def test_calls_under_way_end_at_the_old_place(made):
    resources = made.resources
    resources.put("Mul", FAR)
    port = resources.find("/Mul", "sum").connections
    port.ask("caller", Call("/", "sum", Tree()))
    assert resources.calls("Mul") == 1
    resources.remove("Mul")
    made.ctx.advance(2 * SWEEP_INTERVAL)
    assert (resources.ending, list(resources.ports), made.answers) == (1, [port], [])
    made.ctx.wires[0].owner.closed(made.ctx.wires[0], "Connection refused")
    assert len(made.answers) == 1
    made.ctx.advance(SWEEP_INTERVAL)
    assert (resources.ending, list(resources.ports)) == (0, [])
    made.ctx.advance(10)
    assert len(made.answers) == 1


def test_a_port_whose_call_is_still_converted_does_not_end(made, monkeypatch):
    resources = made.resources
    resources.put("Mul", FAR)
    [port] = resources.ports
    monkeypatch.setattr(made.preparation, "holds", lambda one: one is port)
    resources.remove("Mul")
    made.ctx.advance(1)
    assert resources.ending == 1
    monkeypatch.undo()
    made.ctx.advance(1)
    assert resources.ending == 0


def test_changes_and_ports_that_end_have_one_limit(made, monkeypatch):
    monkeypatch.setattr(module, "MAX_CHANGES", 2)
    resources = made.resources
    resources.put("A", FAR)
    resources.remove("Sum")
    with pytest.raises(ValueError, match="no more than 2 resources"):
        resources.put("B", FAR)
    resources.put("A", ResourceDestination("", Location("h", 5), "sodep"))
    resources.remove("A")
    with pytest.raises(ValueError, match="no more than 2 resources"):
        resources.put("B", FAR)
    made.ctx.advance(SWEEP_INTERVAL)
    resources.put("B", FAR)


def test_what_was_saved_is_restored_and_what_cannot_be_is_said(made):
    nope = ResourceDestination("h:nope")
    saved = {"Mul": FAR, "Sum": None, "X": nope, "Gone": None}
    [said] = made.resources.restore(saved)
    assert said.startswith("X: [h:nope] is no section")
    assert made.resources.changes == {"Mul": FAR, "Sum": None}


def test_of_a_longer_name_the_calls_went_to_the_port_of_a_shorter_one(made):
    made.resources.put("Sum/Inner", FAR)
    assert made.before is made.handler._section("h:sum")
    assert made.found("/Sum/Inner/X") == ("socket://h:3", "/X")
    assert made.found("/Sum/X") == ("socket://h:1", "/X")
