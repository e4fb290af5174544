"""What operators are answered."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp import graphfile
from ccproxy_handlers.ssmmp.manager import Manager, Notice
from ccproxy_handlers.ssmmp.manager.event_log import EventLog
from ccproxy_handlers.ssmmp.manager.operator_api import PAGE, VERBS, OperatorApi
from ccproxy_handlers.ssmmp.watched_file import WatchedFile

GRAPH = """
[service web]
kind = gateway
plugs = orders_client -> orders.api
[service orders]
sockets = api
replicas = 0-1000
"""


@pytest.fixture
def manager():
    graph, _ = graphfile.parse("g.ini", GRAPH)
    made = Manager(graph)
    made.start(1000.0)
    made.receive(
        1000.0,
        "peer",
        ssmmp.AGENT_TO_MANAGER.make(
            "initiation_request", 1, agent_network_address="A",
            service_repository=("web", "orders"),
        ),
    )  # fmt: skip
    return made


@pytest.fixture
def api(manager):
    return OperatorApi(manager, EventLog(), WatchedFile("no/graph.ini", graphfile.parse))


def test_every_verb_is_known(api):
    assert set(api._verbs) == VERBS


@pytest.mark.parametrize("what", ["agents", "services", "instances", "sessions", "operations"])
def test_tables(api, what):
    answer, actions = api.answer(1001.0, "list", {"what": what})
    assert actions == [] and answer["next"] is None
    assert len(answer["rows"]) == {"agents": 1, "services": 2, "instances": 1}.get(what, 0)


def test_pages(api, manager):
    number, actions = api.answer(
        1001.0, "execute", {"command": "scale", "service": "orders", "count": 450}
    )
    assert number["operation"] == 1 and actions
    manager.tick(1001.0)
    rows, after = [], None
    pages = 0
    while pages == 0 or after is not None:
        answer, _ = api.answer(1002.0, "list", {"what": "instances", "after": after, "most": 999})
        rows += answer["rows"]
        after = answer["next"]
        pages += 1
        assert len(answer["rows"]) <= PAGE
    assert pages == 3
    assert [one["instance"] for one in rows] == list(range(1, 452))


def test_summary_and_graph(api):
    assert api.answer(1001.0, "summary", {})[0]["instances"] == {"STARTING": 1}
    for form, begins in (("text", "web (gateway"), ("dot", "digraph"), ("mermaid", "flowchart")):
        answer, _ = api.answer(1001.0, "graph", {"form": form})
        assert answer["text"].startswith(begins)
        assert [one["open"] for one in answer["edges"]] == [0]


def test_events(manager):
    events = EventLog()
    api = OperatorApi(manager, events, WatchedFile("no/graph.ini", graphfile.parse))
    for number in range(3):
        events.add(1.0, Notice("running", str(number)))
    answer, _ = api.answer(1.0, "events", {"latest": 2})
    assert ([one["subject"] for one in answer["rows"]], answer["last"]) == (["1", "2"], 3)
    assert len(api.answer(1.0, "events", {"since": 1})[0]["rows"]) == 2


def test_a_plan_changes_nothing(api, manager):
    before = manager.snapshot()
    fields = {"command": "stop", "instance": 1}
    answer, actions = api.answer(1001.0, "plan", fields)
    assert actions == [] and manager.snapshot() == before
    assert [one["kind"] for one in answer["plan"]["steps"]] == ["goal", "drain"]
    assert answer["plan"]["refusal"] == ""


def test_a_refused_operation_has_no_number(api):
    answer, _ = api.answer(1001.0, "execute", {"command": "drain", "node": "B"})
    assert answer["operation"] == 0 and answer["plan"]["refusal"] == "no node B"


def test_cancel(api):
    api.answer(1001.0, "execute", {"command": "scale", "service": "orders", "count": 2})
    answer, _ = api.answer(1001.0, "cancel", {"operation": 1})
    assert answer["operation"]["state"] == "cancelled", "it only waited"
    again, _ = api.answer(1001.0, "cancel", {"operation": 1})
    assert again == {"error": "operation 1 is cancelled"}


@pytest.mark.parametrize(
    ("verb", "value", "says"),
    [
        ("list", {}, "no table ''"),
        ("list", {"what": "agents", "after": 3}, "expected a name"),
        ("list", {"what": "sessions", "after": "3"}, "expected a number"),
        ("list", {"what": "sessions", "after": [3]}, "expected a number"),
        ("list", {"what": "agents", "after": [3]}, "expected a name"),
        ("list", {"what": "sessions", "most": -1}, "most is -1"),
        ("graph", {"form": "svg"}, "form is 'svg'"),
        ("graph", {"form": ["dot"]}, "form is"),
        ("events", {"since": "x"}, "since is 'x'"),
        ("plan", {"command": "dance"}, "command is 'dance'"),
        ("cancel", {"operation": 5}, "no operation 5"),
        ("cancel", {"operation": True}, "operation is True"),
    ],
)
def test_what_is_wrong_is_said(api, verb, value, says):
    answer, actions = api.answer(1001.0, verb, value)
    assert says in answer["error"] and actions == []


def test_a_reload_is_shown_and_done(manager, tmp_path):
    file = tmp_path / "graph.ini"
    file.write_text(GRAPH)
    api = OperatorApi(manager, EventLog(), WatchedFile(str(file), graphfile.parse))
    api._graph_file.read()
    file.write_text(
        GRAPH.replace("[service orders]", "[service more]\nstart = eager\n[service orders]")
    )
    shown, actions = api.answer(1001.0, "reload", {"dry_run": True})
    assert shown["changes"] == ["more: new regular, replicas 1"] and actions == []
    assert [(one["kind"], one["subject"]) for one in shown["plan"]["steps"]] == [("start", "more")]
    assert api._graph_file.changed, "a look does not count as a reload"
    done, actions = api.answer(1001.0, "reload", {})
    assert done == shown and actions and "more" in manager.state.graph.services
    assert api.answer(1001.0, "reload", {})[0]["changes"] == []


def test_a_reload_of_a_graph_with_mistakes_changes_nothing(manager, tmp_path):
    file = tmp_path / "graph.ini"
    file.write_text(GRAPH + "[service bad]\nplugs = x\nkind = odd\n")
    api = OperatorApi(manager, EventLog(), WatchedFile(str(file), graphfile.parse))
    for value in ({}, {"dry_run": True}):
        error = api.answer(1001.0, "reload", value)[0]["error"]
        assert f"{file}:9" in error and f"{file}:10" in error, "all of them with their lines"
    file.unlink()
    assert "No such file" in api.answer(1001.0, "reload", {})[0]["error"]
