"""Commands from arguments, plans in words, and watching an operation."""

import argparse
import json

import pytest

from ccproxy_handlers.ssmmp.commands import COMMANDS, command_of, text_of
from ccproxy_handlers.ssmmp.verbs import operate
from ccproxy_handlers.ssmmp.verbs.operate import STEP_TEXTS, declare, fields_of, step_text


def parsed(word, *words):
    parser = argparse.ArgumentParser()
    declare(parser, COMMANDS[word])
    return argparse.Namespace(what=word, **vars(parser.parse_args(words)))


@pytest.mark.parametrize(
    "line",
    [
        "drain A", "drain A --force", "undrain A", "migrate 3", "migrate 3 B", "scale web 0",
        "update web=web@2", "update web=a=b", "rebalance web", "stop 3", "stop 3 --hard",
        "down", "up",
    ],
)  # fmt: skip
def test_a_command_is_what_was_written(line):
    command = command_of(fields_of(parsed(*line.split())))
    assert text_of(command) == line


@pytest.mark.parametrize("text", ["web", "web=", "=web@2", "="])
def test_arguments_that_are_not_joined_are_an_error(text):
    with pytest.raises(ValueError, match=f"'{text}', expected SERVICE=PROGRAM"):
        fields_of(parsed("update", text))


def test_every_kind_of_step_has_words(parse_graph):
    from ccproxy_handlers.ssmmp.manager import Manager

    assert set(STEP_TEXTS) == set(Manager(parse_graph()).steps.begin)


def test_steps_in_words():
    step = {"kind": "start", "subject": "orders", "node": "", "number": 0}
    assert step_text(step) == "start orders"
    assert step_text({**step, "node": "A"}) == "start orders on A"
    assert step_text({**step, "kind": "program", "node": "orders@2"}) == (
        "run orders by the program orders@2"
    )
    assert step_text({**step, "kind": "dance"}) == "dance orders"


class Rows:
    """In place of a ManagerClient: rows of one operation, or errors, in their order."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def operation(self, number, timeout):
        found = self.rows.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def row(state, step):
    return {"operation": 7, "state": state, "reason": "", "steps": [f"drain 3: {step}"], "of": 1}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(operate, "POLL_INTERVAL", 0.0)


def test_watching_goes_on_over_a_restart_of_the_manager(capsys):
    rows = Rows(
        row("running", "planned"), TimeoutError(), ConnectionError(), row("running", "running"),
        row("running", "running"), row("done", "done"),
    )  # fmt: skip
    assert operate.watch(rows, argparse.Namespace(json=False), 7) == 0
    assert capsys.readouterr().out.splitlines() == [
        "    1/1 drain 3: running", "    1/1 drain 3: done", "operation 7: done",
    ]  # fmt: skip


def test_watching_ends_when_no_answer_comes_for_long(monkeypatch):
    monkeypatch.setattr(operate, "WATCH_TIMEOUT", -1.0)
    with pytest.raises(TimeoutError):
        operate.watch(Rows(TimeoutError()), argparse.Namespace(json=False), 7)


def test_an_operation_that_fails_is_a_failure(capsys):
    rows = Rows({**row("failed", "failed"), "reason": "drain 3 failed"})
    assert operate.watch(rows, argparse.Namespace(json=True), 7) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"operation": 7, "step": 1, "of": 1, "text": "drain 3: failed"}
    assert lines[1]["reason"] == "drain 3 failed"


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_reload_says_what_differs_and_what_follows(capsys, dry_run):
    plan = {"command": "reload", "refusal": "", "touches": ["web 1: 0 sessions"],
            "steps": [{"kind": "start", "subject": "more", "node": "", "number": 0}]}  # fmt: skip
    asked = []

    class Manager:
        def ask(self, verb, value):
            asked.append((verb, value))
            return {"changes": ["more: new regular"], "plan": plan}

    options = argparse.Namespace(dry_run=dry_run, json=False)
    assert operate.reload(Manager(), options) == 0
    assert asked == [("reload", {"dry_run": dry_run})]
    last = "nothing is changed" if dry_run else "the graph is reloaded"
    assert capsys.readouterr().out.splitlines() == [
        "graph: more: new regular", "plan: reload", "    1 start more",
        "  touches web 1: 0 sessions", last,
    ]  # fmt: skip
    options.json = True
    operate.reload(Manager(), options)
    assert json.loads(capsys.readouterr().out)["changes"] == ["more: new regular"]
