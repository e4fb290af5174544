"""Carrying out plans: step by step, with progress, stoppable between steps, undone by updates.

`changed` only remembers that something happened; `run` looks at it when the other parts are done.
It must never read a message: what steps wait for, it sees in the state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import reasons
from .agents import AgentMachine
from .closing import Closing
from .instances import InstanceMachine
from .plans import OperationPlan
from .rows import LAST, InstanceRow, OperationRow, OperationStep
from .services import Services
from .state import State
from .store import staying
from .tables import ENDED, InstanceState

_UNDER_WAY = ("running", "stopping")
_ONLY_WAIT = ("await", "watch")
"""Steps that change nothing: a cancelled operation does not wait for them."""


class Operations:
    """`begin` has the function that starts a step, by its kind; `look` the one that says the state
    of a step that takes time. `dirty` = something happened since operations were looked at."""

    def __init__(
        self,
        state: State,
        closing: Closing,
        instances: InstanceMachine,
        services: Services,
        agents: AgentMachine,
    ) -> None:
        self.state = state
        self.store = state.store
        self.closing = closing
        self.instances = instances
        self.services = services
        self.agents = agents
        self.dirty = False
        self.begin: dict[str, Callable[[OperationStep], OperationStep]] = {
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
        self.look: dict[str, Callable[[OperationStep], str]] = {
            "start": self._started,
            "drain": self._gone,
            "kill": self._gone,
            "close": self._closed,
            "await": self._awaited,
            "watch": lambda step: "running",
        }

    def execute(self, plan: OperationPlan) -> int:
        """Begin to carry out a plan; the id of the operation."""
        key = self.store.next("operation")
        row = OperationRow(
            key, plan.command, plan.steps, parallel=plan.parallel,
            previous_program=plan.previous_program, since=self.state.now,
        )  # fmt: skip
        self.store.put(row)
        self.state.notice("operation", key, plan.command)
        self.changed()
        return key

    def stop(self, key: int) -> bool:
        """Begin no further step; False if it is not under way."""
        row = self.store.operations.get(key)
        if row is None or row.state != "running":
            return False
        self.store.put(replace(row, state="stopping"))
        self.changed()
        return True

    def changed(self) -> None:
        """Something happened that a step may wait for."""
        self.dirty = True

    def run(self) -> None:
        """Bring every operation one step further; `dirty` again if that may not be all."""
        self.dirty = False
        for row in list(self.store.operations.values()):
            if row.state in _UNDER_WAY:
                self._advance(row.key)

    def expired(self, row: OperationRow) -> None:
        """A deadline has come: of a step, or to forget what has ended."""
        if row.state not in _UNDER_WAY:
            self.store.drop(row)
            return
        steps = tuple(self._late(one) for one in row.steps)
        self.store.put(replace(row, steps=steps, deadline=0.0))
        self.changed()

    def _late(self, step: OperationStep) -> OperationStep:
        if step.state != "running" or not step.until or step.until > self.state.now:
            return step
        return replace(step, state="done" if step.kind == "watch" else "failed")

    def _advance(self, key: int) -> None:
        row = self.store.operations[key]
        steps = [self._looked(one) for one in row.steps]
        broken = self._broken(row, steps)
        if broken:
            end = self._cancelled if row.state == "stopping" else self._fail
            end(row, steps, broken)
            return
        if row.state == "running":
            for place in self._next(row, steps):
                steps[place] = self._begun(steps[place])
                self.changed()
        self._finish(row, steps)

    def _looked(self, step: OperationStep) -> OperationStep:
        if step.state != "running":
            return step
        return replace(step, state=self.look[step.kind](step))

    def _begun(self, step: OperationStep) -> OperationStep:
        begun = self.begin[step.kind](step)
        state = "running" if step.kind in self.look and begun.state == "planned" else begun.state
        return replace(begun, state="done" if state == "planned" else state)

    def _next(self, row: OperationRow, steps: list[OperationStep]) -> list[int]:
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

    def _broken(self, row: OperationRow, steps: list[OperationStep]) -> str:
        """Why an operation has failed, empty if it has not."""
        for step in steps:
            made = self.store.instances.get(step.product)
            if step.state == "failed":
                return f"{step.kind} {step.subject} failed{reasons.of_product(made)}"
            failed = made is None or made.state is InstanceState.FAILED
            if row.previous_program and step.kind == "start" and step.state == "done" and failed:
                return f"new instance {step.product} failed{reasons.of_product(made)}"
        return ""

    def _finish(self, row: OperationRow, steps: list[OperationStep]) -> None:
        """Store the steps; the operation is over when all are done, or none runs and it is to
        stop."""
        state = row.state
        running = [one for one in steps if one.state == "running"]
        if all(one.state == "done" for one in steps):
            state = "done"
        elif state == "stopping" and all(one.kind in _ONLY_WAIT for one in running):
            self._cancelled(row, steps)
            return
        deadline = min((one.until for one in running if one.until), default=0.0)
        self._put(replace(row, steps=tuple(steps), state=state, deadline=deadline))

    def _cancelled(self, row: OperationRow, steps: list[OperationStep], why: str = "") -> None:
        """An operation that was to stop is over."""
        self._put(replace(row, steps=tuple(steps), state="cancelled", reason=why))
        self._undo(steps)

    def _undo(self, steps: list[OperationStep]) -> None:
        """End new instances that do not run, and let a node that is not empty be used again."""
        for step in steps:
            made = self.store.instances.get(step.product)
            if made and made.state in (InstanceState.PLANNED, InstanceState.STARTING):
                self.instances.drain(made)
            if step.kind == "empty node" and step.state == "done":
                agent = self.store.agents.get(step.subject)
                if agent and agent.draining:
                    self.agents.undrain(agent)

    def _put(self, row: OperationRow) -> None:
        if row.state not in _UNDER_WAY:
            row = replace(row, deadline=self.state.now + self.state.settings.agent_forget)
        if row == self.store.operations.get(row.key):
            return
        self.store.put(row)
        if row.state not in _UNDER_WAY:
            self.state.notice(
                "operation", row.key, f"{row.command}: {row.state} {row.reason}".strip()
            )
            for step in row.steps:
                if step.kind == "hold" and self.state.desired(step.subject).hold:
                    self._release(step)

    def _fail(self, row: OperationRow, steps: list[OperationStep], why: str) -> None:
        self._put(replace(row, steps=tuple(steps), state="failed", reason=why))
        self.state.alarm("operation failed", row.key, f"{row.command}: {why}")
        self._undo(steps)
        if row.previous_program:
            reason = f"{why}; operation {self._turn_back(row, steps)} turns it back"
            self.store.put(replace(self.store.operations[row.key], reason=reason))

    def _turn_back(self, row: OperationRow, steps: list[OperationStep]) -> int:
        """The program that ran before again: new instances end, replaced where old ones ended."""
        service = steps[0].subject
        back = [OperationStep("program", service, row.previous_program, group=0)]
        begun = {one.group for one in steps if one.kind == "drain" and one.state != "planned"}
        spare = {one.product for one in steps if one.product and one.group not in begun}
        present = self.store.instance_index.of(("staying", service))
        for group, key in enumerate(present, 1):
            if self.store.instances[key].program == row.previous_program:
                continue
            if key not in spare:
                back.append(OperationStep("start", service, group=group))
            back.append(OperationStep("drain", str(key), group=group))
        command = f"turn back {row.command}"
        return self.execute(OperationPlan(command, tuple(back), parallel=row.parallel))

    def _limit(self) -> float:
        return self.state.now + 2 * self.state.settings.start_timeout

    def _start(self, step: OperationStep) -> OperationStep:
        service = self.state.service(step.subject)
        if service is None:
            return replace(step, state="failed")
        made = self.services.plan(service, step.node)
        return replace(step, product=made.key, until=self._limit())

    def _started(self, step: OperationStep) -> str:
        made = self.store.instances.get(step.product)
        if made is None or made.state in ENDED:
            return "failed"
        return "done" if made.state is InstanceState.RUNNING else "running"

    def _drain(self, step: OperationStep) -> OperationStep:
        row = self._instance(step)
        if row and staying(row):
            self.instances.drain(row)
        return step

    def _kill(self, step: OperationStep) -> OperationStep:
        row = self._instance(step)
        if row:
            self.instances.kill(row)
        return step

    def _instance(self, step: OperationStep) -> InstanceRow | None:
        return self.store.instances.get(int(step.subject))

    def _gone(self, step: OperationStep) -> str:
        row = self._instance(step)
        return "done" if row is None or row.state in ENDED else "running"

    def _goal(self, step: OperationStep, **changes: object) -> OperationStep:
        self.services.change(step.subject, **changes)
        self.services.balance(step.subject)
        return step

    def _release(self, step: OperationStep) -> OperationStep:
        self.services.release(step.subject)
        return step

    def _awaited(self, step: OperationStep) -> str:
        index = self.store.instance_index
        ready = index.size(("ready", step.subject)) + index.size(("poor", step.subject))
        return "done" if ready >= step.number else "running"

    def _watch(self, step: OperationStep) -> OperationStep:
        return replace(step, until=self.state.now + self.state.settings.update_watch)

    def _empty_node(self, step: OperationStep) -> OperationStep:
        self.agents.drain(self.store.agents[step.subject])
        return step

    def _use_node(self, step: OperationStep) -> OperationStep:
        self.agents.undrain(self.store.agents[step.subject])
        return step

    def _close(self, step: OperationStep) -> OperationStep:
        self.closing.close_surplus(int(step.subject), step.number)
        return step

    def _closed(self, step: OperationStep) -> str:
        left = self.closing.close_surplus(int(step.subject), step.number)
        return "running" if left else "done"
