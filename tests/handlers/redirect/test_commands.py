"""What operators ask of a redirect by message, and what they are answered."""

import json
from contextlib import contextmanager

import pytest

from ccproxy.testing import options_for, run_handler
from ccproxy_handlers.redirect.commands import SHOWN
from ccproxy_handlers.redirect.handler import Redirect

FROM = "relocate-from = test"


class Asked:
    """A redirect with its state file, as an operator asks it."""

    def __init__(self, redirect, state):
        self.redirect, self.state = redirect, state

    def ask(self, **fields):
        """The data of the answer, or the text of the fault."""
        [reply] = self.redirect.send("relocate.calc", fields)
        value = reply.value()
        return value["data"] if "data" in value else value["error"]["data"]

    def status(self):
        return self.redirect.handler.status()


@pytest.fixture
def table(tmp_path):
    """Runs a redirect with a table of one section and a state file: `with table() as calc`."""

    @contextmanager
    def table(redirects="Sum => h:sum", more=FROM):
        options = f"redirects = {redirects}\n{more}\nstate = {tmp_path}/state"
        with (
            run_handler(Redirect, "location = socket://h:1") as sums,
            run_handler(Redirect, options, {"h:sum": sums.handler}) as redirect,
        ):
            redirect.ctx.routes = ("calc", "relocate.calc")
            yield Asked(redirect, tmp_path / "state")

    return table


@pytest.fixture
def calc(table):
    with table() as calc:
        yield calc


def test_a_resource_is_added_and_removed(calc):
    there = {"location": "socket://h:3", "protocol": "http"}
    assert calc.ask(add="Mul", **there) == {
        "resource": "Mul", "to": "socket://h:3 in http", "before": None, "calls": 0,
        "saved": False,
    }  # fmt: skip
    assert calc.redirect.ctx.flow_changes == 0, "to forget all flows would hold the loop for long"
    moved = calc.ask(add="Mul", location="socket://h:4")
    assert (moved["to"], moved["before"]) == ("socket://h:4 in http", "socket://h:3 in http")
    assert calc.ask(add="Sub", location="socket://h:5")["to"] == "socket://h:5 in sodep"
    assert calc.ask(remove="Sum")["before"] == "h:sum"
    assert calc.ask() == {
        "resources": {"Mul": "socket://h:4 in http", "Sub": "socket://h:5 in sodep"},
        "changed": {"Mul": "added", "Sub": "added", "Sum": "removed"},
        "saved": False,
    }
    assert calc.ask(add="Sum", section="h:sum")["to"] == "h:sum"
    assert calc.status()["changed"] == {"Mul": "added", "Sub": "added"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"location": "socket://h:1"}, "has no location of its own"),
        ({"protocol": "http"}, "has no location of its own"),
        ({"remove": "Mul"}, "no resource Mul; there are Sum"),
        ({"add": "Mul", "section": "h:x"}, "no section that the table names"),
        ({"add": "Mul", "location": "socket://h:1", "protocol": "nope"}, 'no protocol "nope"'),
        ({"add": "M u", "location": "socket://h:1"}, "as the name of a resource"),
    ],
)
def test_what_cannot_be_done_changes_nothing(calc, fields, says):
    assert says in calc.ask(**fields)
    assert calc.ask() == {"resources": {"Sum": "h:sum"}, "saved": False}


def test_a_section_that_others_lead_to_gets_no_resources(calc):
    calc.redirect.ctx.routes = ("relocate.calc",)
    assert "gets its calls from other sections" in calc.ask(add="A", location="socket://h:1")


def test_another_listener_may_do_none_of_it(table):
    with table(more="relocate-from = admin") as calc:
        for fields in ({"add": "A", "location": "socket://h:1"}, {"remove": "Sum"}, {}):
            assert calc.ask(**fields) == "[test] may not relocate [h:test]"
        assert calc.status()["resources"] == {"Sum": "h:sum"}


def test_what_is_saved_holds_after_a_restart_until_the_ini_says_something_else(table):
    with table() as calc:
        assert calc.ask(add="Mul", location="socket://h:3", save=True)["saved"] is True
        calc.ask(add="Tmp", location="socket://h:4")
        calc.ask(remove="Sum", save=True)
        assert calc.status()["changed"] == {
            "Mul": "added, saved", "Sum": "removed, saved", "Tmp": "added",
        }  # fmt: skip
        calc.ask(remove="Mul")
        expected = "as in the INI, socket://h:3 in sodep is saved"
        assert calc.status()["changed"]["Mul"] == expected
    with table() as calc:
        assert calc.status()["resources"] == {"Mul": "socket://h:3 in sodep"}
        assert "INFO relocated as saved resource=Sum to=None" in calc.redirect.ctx.lines
    with table("Sum => h:sum, Mul => h:sum") as calc:
        assert calc.status()["resources"] == {"Mul": "h:sum"}, "the INI has Mul now"


def test_save_alone_keeps_all_that_is(calc):
    calc.ask(add="Mul", location="socket://h:3")
    calc.ask(remove="Sum")
    assert not calc.state.exists()
    assert calc.ask(save=True)["saved"] is True
    kept = json.loads(calc.state.read_text())["resources"]
    assert kept["Sum"] == {"instead": "h:sum"} and kept["Mul"]["location"] == "socket://h:3"


def test_a_state_that_holds_something_else_is_named_and_the_ini_holds(table):
    with table() as calc:
        calc.state.write_text('{"resources": {"A": {"instead": "", "location": 7}}}')
    with table() as calc:
        assert calc.status()["resources"] == {"Sum": "h:sum"}
        assert any("no saved relocation" in line for line in calc.redirect.ctx.lines)


def test_a_place_that_is_saved_and_not_the_present_one_is_said(tmp_path):
    options = f"location = socket://h:1\n{FROM}\nstate = {tmp_path}/state"
    with run_handler(Redirect, options) as redirect:
        redirect.send("relocate.test", {"location": "socket://h:2", "save": True})
        assert redirect.handler.status()["moved"] == "from socket://h:1 in sodep, saved"
        redirect.send("relocate.test", {"location": "socket://h:1"})
        expected = "as in the INI, socket://h:2 in sodep is saved"
        assert redirect.handler.status()["moved"] == expected


def test_a_status_shows_some_and_an_answer_all(calc):
    for number in range(SHOWN + 5):
        calc.ask(add=f"A{number:03}", location="socket://h:1")
    status = calc.status()
    assert len(status["resources"]) == len(status["changed"]) == SHOWN
    assert status["resources-in-all"] == SHOWN + 6
    assert len(calc.ask()["resources"]) == SHOWN + 6


def test_the_list_has_the_redirects_that_the_sender_may_relocate():
    mine = Redirect("h:mine", options_for(Redirect, f"location = socket://h:1\n{FROM}"))
    other = Redirect("h:other", options_for(Redirect, "location = socket://h:2"))
    with run_handler(Redirect, f"location = socket://h:3\n{FROM}") as redirect:
        redirect.ctx.handlers = {"h:mine": mine, "h:other": other}
        for one in (mine, other):
            redirect.ctx.run(one.start(redirect.ctx))
        [reply] = redirect.send("relocate")
        [(section, facts)] = reply.value()["data"]["redirects"].items()
        assert (section, facts["location"]) == ("h:mine", "socket://h:1")
        redirect.ctx.handlers = {"h:other": other}
        [reply] = redirect.send("relocate")
        assert "may not relocate any redirect" in reply.value()["error"]["data"]
