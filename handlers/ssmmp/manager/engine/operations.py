"""Carrying out plans: step by step, with progress, stoppable between steps, undone by updates.

`changed` only remembers that something happened; `run` looks at it when the machines are done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .plans import Plan
from .rows import LAST, Instance, Operation, Step
from .state import Mesh
from .store import staying
from .tables import CONNECTED, ENDED, InstanceState, SessionState

_UNDER_WAY = ("running", "stopping")


class Operations:
    """`begin` starts a step, `look` says whether it is done: one function each per kind."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.dirty = False
        self.begin: dict[str, Callable[[Step], Step]] = {
            "start": self._start,
            "drain": self._drain,
            "kill": self._kill,
            "close": self._close,
            "hold": lambda step: self._goal(step, hold=True),
            "release": self._release,
            "goal": lambda step: self._goal(step, target=step.number),
            "program": lambda step: self._goal(step, program=step.node, broken=""),
            "await": lambda step: replace(step, until=self._limit()),
            "watch": self._watch,
            "empty node": self._empty_node,
            "use node": self._use_node,
        }
        self.look: dict[str, Callable[[Step], str]] = {
            "start": self._started,
            "drain": self._gone,
            "kill": self._gone,
            "close": self._closed,
            "await": self._awaited,
            "watch": lambda step: "running",
        }

    def execute(self, plan: Plan) -> int:
        """Begin to carry out a plan; the id of the operation."""
        key = self.mesh.store.next("operation")
        row = Operation(key, plan.command, plan.steps, parallel=plan.parallel, back=plan.back,
                        since=self.mesh.now)  # fmt: skip
        self.mesh.store.put(row)
        self.mesh.notice("operation", key, plan.command)
        self.changed()
        return key

    def stop(self, key: int) -> bool:
        """Begin no further step; False if it is not under way."""
        row = self.mesh.store.operations.get(key)
        if row is None or row.state != "running":
            return False
        self.mesh.store.put(replace(row, state="stopping"))
        self.changed()
        return True

    def changed(self) -> None:
        """Something happened that a step may wait for."""
        self.dirty = True

    def run(self) -> None:
        """Bring every operation as far as it gets now."""
        while self.dirty:
            self.dirty = False
            for row in list(self.mesh.store.operations.values()):
                if row.state in _UNDER_WAY:
                    self._advance(row.key)

    def expired(self, row: Operation) -> None:
        """A deadline has come: of a step, or to forget what has ended."""
        if row.state not in _UNDER_WAY:
            self.mesh.store.drop(row)
            return
        steps = tuple(self._late(one) for one in row.steps)
        self.mesh.store.put(replace(row, steps=steps, deadline=0.0))
        self.changed()

    def _late(self, step: Step) -> Step:
        if step.state != "running" or not step.until or step.until > self.mesh.now:
            return step
        return replace(step, state="done" if step.kind == "watch" else "failed")

    def _advance(self, key: int) -> None:
        row = self.mesh.store.operations[key]
        steps = [self._looked(one) for one in row.steps]
        broken = self._broken(row, steps)
        if broken:
            self._fail(row, steps, broken)
            return
        if row.state == "running":
            for place in self._next(row, steps):
                steps[place] = self._begun(steps[place])
                self.changed()
        self._keep(row, steps)

    def _looked(self, step: Step) -> Step:
        if step.state != "running":
            return step
        return replace(step, state=self.look[step.kind](step))

    def _begun(self, step: Step) -> Step:
        begun = self.begin[step.kind](step)
        state = "running" if step.kind in self.look and begun.state == "planned" else begun.state
        return replace(begun, state="done" if state == "planned" else state)

    def _next(self, row: Operation, steps: list[Step]) -> list[int]:
        """Places of the steps to begin now: the next one of each of the first open groups."""
        open_ = [one for one in steps if one.state != "done"]
        groups = list(dict.fromkeys(one.group for one in open_))
        middle = [one for one in groups if one not in (0, LAST)]
        if 0 in groups:
            groups = [0]
        elif middle:
            groups = middle[: row.parallel]
        firsts = {group: next(one for one in open_ if one.group == group) for group in groups}
        return [
            place
            for place, step in enumerate(steps)
            if step.state == "planned" and firsts.get(step.group) is step
        ]

    def _broken(self, row: Operation, steps: list[Step]) -> str:
        """Why an operation has failed, empty if it has not."""
        for step in steps:
            if step.state == "failed":
                return f"{step.kind} {step.subject} failed"
            if row.back and step.kind == "start" and step.state == "done":
                made = self.mesh.store.instances.get(step.product)
                if made is None or made.state is InstanceState.FAILED:
                    return f"new instance {step.product} of {step.subject} failed"
        return ""

    def _keep(self, row: Operation, steps: list[Step]) -> None:
        state = row.state
        running = [one for one in steps if one.state == "running"]
        if all(one.state == "done" for one in steps):
            state = "done"
        elif state == "stopping" and not running:
            state = "stopped"
        deadline = min((one.until for one in running if one.until), default=0.0)
        self._put(replace(row, steps=tuple(steps), state=state, deadline=deadline))

    def _put(self, row: Operation) -> None:
        if row.state not in _UNDER_WAY:
            row = replace(row, deadline=self.mesh.now + self.mesh.settings.agent_forget)
        if row == self.mesh.store.operations.get(row.key):
            return
        self.mesh.store.put(row)
        if row.state not in _UNDER_WAY:
            self.mesh.notice(
                "operation", row.key, f"{row.command}: {row.state} {row.reason}".strip()
            )
            for step in row.steps:
                if step.kind == "hold" and self.mesh.services.goal(step.subject).hold:
                    self._release(step)

    def _fail(self, row: Operation, steps: list[Step], why: str) -> None:
        self._put(replace(row, steps=tuple(steps), state="failed", reason=why))
        self.mesh.alarm("operation failed", row.key, f"{row.command}: {why}")
        if row.back:
            self._turn_back(row, steps)

    def _turn_back(self, row: Operation, steps: list[Step]) -> None:
        """The program that ran before again: new instances end, replaced where old ones ended."""
        service = steps[0].subject
        back = [Step("program", service, row.back, group=0)]
        begun = {one.group for one in steps if one.kind == "drain" and one.state != "planned"}
        spare = {one.product for one in steps if one.product and one.group not in begun}
        staying = self.mesh.store.instance_index.of(("staying", service))
        for group, key in enumerate(staying, 1):
            if self.mesh.store.instances[key].program == row.back:
                continue
            if key not in spare:
                back.append(Step("start", service, group=group))
            back.append(Step("drain", str(key), group=group))
        self.execute(Plan(f"turn back {row.command}", tuple(back), parallel=row.parallel))

    def _limit(self) -> float:
        return self.mesh.now + 2 * self.mesh.settings.start_timeout

    def _start(self, step: Step) -> Step:
        made = self.mesh.services.plan(self.mesh.graph.services[step.subject], step.node)
        return replace(step, product=made.key, until=self._limit())

    def _started(self, step: Step) -> str:
        made = self.mesh.store.instances.get(step.product)
        if made is None or made.state in ENDED:
            return "failed"
        return "done" if made.state is InstanceState.RUNNING else "running"

    def _drain(self, step: Step) -> Step:
        row = self._instance(step)
        if row and staying(row):
            self.mesh.instances.drain(row)
        return step

    def _kill(self, step: Step) -> Step:
        row = self._instance(step)
        if row:
            self.mesh.instances.kill(row)
        return step

    def _instance(self, step: Step) -> Instance | None:
        return self.mesh.store.instances.get(int(step.subject))

    def _gone(self, step: Step) -> str:
        row = self._instance(step)
        return "done" if row is None or row.state in ENDED else "running"

    def _goal(self, step: Step, **changes: object) -> Step:
        self.mesh.services.change(step.subject, **changes)
        self.mesh.services.balance(step.subject)
        return step

    def _release(self, step: Step) -> Step:
        done = self._goal(step, hold=False)
        self.mesh.offers.answer_waiting(step.subject)
        return done

    def _awaited(self, step: Step) -> str:
        index = self.mesh.store.instance_index
        ready = index.size(("ready", step.subject)) + index.size(("poor", step.subject))
        return "done" if ready >= step.number else "running"

    def _watch(self, step: Step) -> Step:
        return replace(step, until=self.mesh.now + self.mesh.settings.update_watch)

    def _empty_node(self, step: Step) -> Step:
        self.mesh.agents.drain(self.mesh.store.agents[step.subject])
        return step

    def _use_node(self, step: Step) -> Step:
        self.mesh.agents.undrain(self.mesh.store.agents[step.subject])
        return step

    def _close(self, step: Step) -> Step:
        self._close_some(step)
        return step

    def _closed(self, step: Step) -> str:
        return "running" if self._close_some(step) else "done"

    def _close_some(self, step: Step) -> bool:
        """Close surplus sessions of an instance; False if none is left that could be closed."""
        key = int(step.subject)
        index, sessions = self.mesh.store.session_index, self.mesh.store.sessions
        rows = [sessions[one] for one in index.of(("to", key))]
        rows = [one for one in rows if one.state in CONNECTED and not one.stuck]
        busy = [one for one in rows if one.state is SessionState.CLOSING or one.unwanted]
        surplus = len(rows) - len(busy) - step.number
        room = min(surplus, self.mesh.settings.close_parallel - len(busy))
        todo = [one for one in rows if one.state is SessionState.OPEN][: max(0, room)]
        for row in todo:
            self.mesh.closing.close(row)
        return bool(busy or todo)
