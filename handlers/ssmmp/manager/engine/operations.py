"""Carrying out plans: step by step, with progress, stoppable between steps, undone by updates.

`changed` only remembers that something happened; `run` looks at it when the other parts are done.
It must never read a message: what steps wait for, it sees in the state.
"""

from __future__ import annotations

from dataclasses import replace

from .plans import OperationPlan
from .rows import LAST, WHOLE_GROUPS, OperationRow, OperationStep
from .state import State
from .steps import Steps
from .tables import InstanceState

_UNDER_WAY = ("running", "stopping")
_ONLY_WAIT = ("await", "watch")
"""Steps that change nothing: a cancelled operation does not wait for them."""


class Operations:
    """`dirty` = something happened since operations were looked at."""

    def __init__(self, state: State, steps: Steps) -> None:
        self.state = state
        self.store = state.store
        self.steps = steps
        self.dirty = False

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
        return replace(step, state=self.steps.look[step.kind](step))

    def _begun(self, step: OperationStep) -> OperationStep:
        begun = self.steps.begin[step.kind](step)
        state = (
            "running" if step.kind in self.steps.look and begun.state == "planned" else begun.state
        )
        return replace(begun, state="done" if state == "planned" else state)

    def _next(self, row: OperationRow, steps: list[OperationStep]) -> list[int]:
        """Places of the steps to begin now: the next one of each of the first open groups."""
        open_ = [one for one in steps if one.state != "done"]
        groups = list(dict.fromkeys(one.group for one in open_))
        if row.parallel == WHOLE_GROUPS:
            first = ("planned", *groups[:1])
            return [place for place, one in enumerate(steps) if (one.state, one.group) == first]
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
                return f"{step.kind} {step.subject} failed{self.steps.why(step)}"
            failed = made is None or made.state is InstanceState.FAILED
            if row.previous_program and step.kind == "start" and step.state == "done" and failed:
                return f"new instance {step.product} failed{self.steps.why(step)}"
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
            self.steps.undo(step)

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
                self.steps.let_go(step)

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
