"""What operators ask for in messages `mesh.VERB`, and what they are answered.

    mesh.list     what, after, most, all -> rows, next      a page of a table
    mesh.summary                         -> counts by state
    mesh.graph    form                   -> text            form: text, dot, mermaid
    mesh.events   since or latest        -> rows            what happened lately
    mesh.plan     command, ...           -> plan            what a command would do
    mesh.execute  command, ...           -> plan, operation the plan, and the operation's number;
                                                            0 = the plan is refused
    mesh.cancel   operation              -> operation       begin no further step of it
    mesh.reload   dry_run                -> changes, plan   read the graph file again, or only say
                                                            what that would change

A field `error` says that nothing was done, and why. Pure: it must never send the answer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..commands import command_of
from ..graph import Graph
from ..watched_file import WatchedFile
from . import graph_views, view
from .engine.actions import Action
from .engine.engine import Manager
from .engine.graph_reload import ReloadPlan
from .engine.plans import OperationPlan
from .engine.rows import OperationStep
from .event_log import EventLog

PAGE = 200
"""Rows of a page at most: more would hold up the loop."""

VERBS = frozenset({"list", "summary", "graph", "events", "plan", "execute", "cancel", "reload"})

_FORMS = {"text": graph_views.text, "dot": graph_views.dot, "mermaid": graph_views.mermaid}

Value = Mapping[str, Any]
Fields = dict[str, Any]
AnswerAndActions = tuple[Fields, list[Action]]


class OperatorApi:
    """`answer` takes one message."""

    def __init__(self, manager: Manager, events: EventLog, graph: WatchedFile[Graph]) -> None:
        self._manager = manager
        self._events = events
        self._graph_file = graph
        self._verbs: dict[str, Callable[[float, Value], AnswerAndActions]] = {
            "list": self._list,
            "summary": lambda now, value: (view.summary(manager), []),
            "graph": self._graph,
            "events": self._latest,
            "plan": self._plan,
            "execute": self._execute,
            "cancel": self._cancel,
            "reload": self._reload,
        }

    def answer(self, now: float, verb: str, value: Value) -> AnswerAndActions:
        """The fields of the answer, and the actions of the Manager that go with it."""
        try:
            return self._verbs[verb](now, value)
        except (ValueError, OSError) as error:
            return {"error": str(error)}, []

    def _list(self, now: float, value: Value) -> AnswerAndActions:
        most = _number(value, "most", PAGE)
        after = value.get("after")
        wanted = view.Page(
            str(value.get("what", "")), after, max(1, min(most, PAGE)), value.get("all") is True
        )
        rows, more = view.page(self._manager, now, wanted)
        return {"rows": rows, "next": more}, []

    def _graph(self, now: float, value: Value) -> AnswerAndActions:
        form = str(value.get("form", "text"))
        if form not in _FORMS:
            raise ValueError(f"form is {form[:80]!r}, expected {', '.join(_FORMS)}")
        edges = view.edges(self._manager)
        return {"text": _FORMS[form](self._manager), "edges": edges}, []

    def _latest(self, now: float, value: Value) -> AnswerAndActions:
        if "latest" in value:
            rows = self._events.latest(min(PAGE, _number(value, "latest", PAGE)))
        else:
            rows = self._events.since(_number(value, "since", 0), PAGE)
        return {"rows": rows, "last": self._events.last}, []

    def _plan(self, now: float, value: Value) -> AnswerAndActions:
        return {"plan": _plan(self._manager.plan(command_of(value)))}, []

    def _execute(self, now: float, value: Value) -> AnswerAndActions:
        command = command_of(value)
        plan, number, actions = self._manager.execute_planned(now, command)
        return {"plan": _plan(plan), "operation": number}, actions

    def _cancel(self, now: float, value: Value) -> AnswerAndActions:
        number = _number(value, "operation", 0)
        row = self._manager.state.store.operations.get(number)
        if row is None:
            raise ValueError(f"no operation {number}")
        if row.state != "running":
            raise ValueError(f"operation {number} is {row.state}")
        actions = self._manager.stop_operation(now, number)
        rows, _ = view.page(self._manager, now, view.Page("operations", number - 1, 1))
        return {"operation": rows[0]}, actions

    def _reload(self, now: float, value: Value) -> AnswerAndActions:
        only_shown = value.get("dry_run") is True
        graph = self._graph_file.look() if only_shown else self._graph_file.read()
        plan = self._manager.plan_reload(graph)
        answer = {"changes": list(map(str, plan.changes)), "plan": _reload_plan(plan)}
        return answer, [] if only_shown else self._manager.reload(now, graph)


def _number(value: Value, name: str, default: int) -> int:
    found = value.get(name, default)
    if type(found) is not int or found < 0:
        raise ValueError(f"{name} is {found!r:.80}, expected a whole number of 0 or more")
    return found


def _reload_plan(plan: ReloadPlan) -> Fields:
    """What follows from another graph, in the form of the plan of a command."""
    starts = [OperationStep("start", name) for name, count in plan.starts for _ in range(count)]
    ends = [OperationStep("drain", str(row.key)) for row in plan.ends]
    return _plan(OperationPlan("reload", (*starts, *ends), plan.touches))


def _plan(plan: OperationPlan) -> Fields:
    steps = [
        {"kind": one.kind, "subject": one.subject, "node": one.node, "number": one.number}
        for one in plan.steps
    ]
    return {
        "command": plan.command,
        "steps": steps,
        "touches": list(plan.touches),
        "refusal": plan.refusal,
        "parallel": plan.parallel,
    }
