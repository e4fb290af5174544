"""What a Manager knows, on the terminal."""

import argparse
import json

import pytest

from ccproxy_handlers.ssmmp.verbs import show


class FakeManager:
    """In place of a ManagerClient: answers by verb, rows by table."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def ask(self, verb, value, timeout=None):
        self.asked.append((verb, value))
        found = self.answers[verb]
        return found.pop(0) if isinstance(found, list) else found

    def rows(self, table, *, all=False):
        self.asked.append((table, all))
        return iter(self.answers.get(table, ()))


def options(**values):
    return argparse.Namespace(json=False, **values)


SUMMARY = {"app": "shop", "sessions": {"OPEN": 2, "CLOSED": 1}}
GRAPH = {"edges": [{"source": "web", "open": 2}], "text": "web (gateway)\n"}


def test_status_is_every_table_but_sessions(capsys):
    rows = {name: [{words[0]: "x", "target": 1}] for name, words in show.TABLES.items()}
    manager = FakeManager(summary=SUMMARY, graph=GRAPH, **rows)
    assert show.status(manager, options()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shop: sessions 1 CLOSED, 2 OPEN"
    heads = [line.split()[0] for line in lines if line.isupper()]
    assert heads == ["ALARM", "AGENT", "SERVICE", "INSTANCE", "OPERATION"]
    assert ("sessions", False) not in manager.asked


def test_no_alarm_is_no_table_and_a_target_of_nothing_is_explained(capsys):
    services = [
        {"service": "web", "target": 2, "start": "eager"},
        {"service": "orders", "target": 0, "start": "on-demand"},
        {"service": "idle", "target": 0, "start": "eager"},
        {"service": "store", "target": 1, "start": "on-demand", "down": True},
    ]
    show.status(FakeManager(summary=SUMMARY, graph=GRAPH, services=services), options())
    lines = [one.split("  ") for one in capsys.readouterr().out.splitlines()]
    assert not any("ALARM" in one for one in lines)
    found = {one[0].strip(): [cell.strip() for cell in one if cell][3] for one in lines if one[3:]}
    assert found == {
        "SERVICE": "TARGET", "web": "2", "orders": "on demand", "idle": "0", "store": "down"
    }  # fmt: skip


def test_status_as_json_has_the_edges_too(capsys):
    manager = FakeManager(summary=SUMMARY, graph=GRAPH)
    show.status(manager, argparse.Namespace(json=True))
    found = json.loads(capsys.readouterr().out)
    assert (found["app"], found["edges"], found["agents"]) == ("shop", GRAPH["edges"], [])


def test_sessions_and_operations_are_one_line_each(capsys):
    manager = FakeManager(operations=[{"operation": 7, "command": "drain A"}])
    show.operations(manager, options())
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["7", "drain", "A"]
    show.sessions(manager, options(all=True))
    assert manager.asked[-1] == ("sessions", True)


@pytest.mark.parametrize(
    ("dot", "mermaid", "form"),
    [(False, False, "text"), (True, False, "dot"), (False, True, "mermaid")],
)
def test_the_graph_in_a_form(capsys, dot, mermaid, form):
    manager = FakeManager(graph=GRAPH)
    show.graph(manager, options(dot=dot, mermaid=mermaid))
    assert manager.asked == [("graph", {"form": form})]
    assert capsys.readouterr().out == "web (gateway)\n"


def event(number):
    return {"event": number, "time": 0.0, "what": "lost", "subject": "A", "detail": "",
            "alarm": number == 1}  # fmt: skip


def test_an_alarm_is_marked():
    assert show.event_text(event(1)).endswith(" ALARM lost A")
    assert "ALARM" not in show.event_text(event(2))


class Enough(Exception):
    """The test has seen enough of what would go on for ever."""


def test_following_goes_on_when_the_manager_counts_from_one_again(capsys, monkeypatch):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise Enough

    monkeypatch.setattr(show.time, "sleep", pause)
    manager = FakeManager(
        events=[
            {"rows": [event(8)], "last": 8}, {"rows": [event(9)], "last": 9},
            {"rows": [], "last": 1}, {"rows": [event(1)], "last": 1},
        ]
    )  # fmt: skip
    with pytest.raises(Enough):
        show.events(manager, options(follow=True))
    assert manager.asked == [
        ("events", {"latest": 50}), ("events", {"since": 8}), ("events", {"since": 9}),
        ("events", {"since": 0}),
    ]  # fmt: skip
    assert len(capsys.readouterr().out.splitlines()) == 3
