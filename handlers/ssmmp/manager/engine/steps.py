"""The steps of operations: what beginning one does, and what says how far it is.

A new kind of step is one function here that begins it, and one that looks at it if it takes time.
It must never know the operation that a step belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import reasons
from .agents import AgentMachine
from .closing import Closing
from .instances import InstanceMachine
from .rows import InstanceRow, OperationStep
from .services import Services
from .state import State
from .store import staying
from .tables import ENDED, InstanceState


class Steps:
    """`begin` has the function that starts a step, by its kind; `look` the one that says the state
    of a step that takes time."""

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
            "down": self._down,
            "up": self._up,
        }
        self.look: dict[str, Callable[[OperationStep], str]] = {
            "start": self._started,
            "drain": self._gone,
            "kill": self._gone,
            "close": self._closed,
            "await": self._awaited,
            "down": self._is_down,
            "up": self._awaited,
            "watch": lambda step: "running",
        }

    def undo(self, step: OperationStep) -> None:
        """Its operation has failed or was cancelled: end its new instance if that does not run, and
        let a node that is not empty be used again."""
        made = self.store.instances.get(step.product)
        if made and made.state in (InstanceState.PLANNED, InstanceState.STARTING):
            self.instances.drain(made)
        if step.kind == "empty node" and step.state == "done":
            agent = self.store.agents.get(step.subject)
            if agent and agent.draining:
                self.agents.undrain(agent)

    def let_go(self, step: OperationStep) -> None:
        """Its operation is over: requests that it held are answered again."""
        if step.kind == "hold" and self.state.desired(step.subject).hold:
            self._release(step)

    def why(self, step: OperationStep) -> str:
        """The end of a line about a step that failed: why the instance that it made or waited for
        does not run."""
        made = self.store.instances.get(step.product)
        if made is None and step.kind in ("await", "up"):
            made = self._missing(step.subject)
        if made is None or made.state is not InstanceState.PLANNED:
            return reasons.of_product(made)
        obstacle = self.services.placement.obstacle(made.service, made.program, made.node)
        return f"{reasons.of_product(made)}: {obstacle}"

    def _missing(self, service: str) -> InstanceRow | None:
        """An instance of a service that should run and does not."""
        keys = self.store.instance_index.of(("staying", service))
        rows = [self.store.instances[key] for key in keys]
        return next((one for one in rows if one.state is not InstanceState.RUNNING), None)

    def _limit(self) -> float:
        return self.state.now + 2 * self.state.settings.start_timeout

    def _start(self, step: OperationStep) -> OperationStep:
        service = self.state.service(step.subject)
        if service is None or self.state.desired(step.subject).down:
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

    def _down(self, step: OperationStep) -> OperationStep:
        self.services.stop(step.subject)
        return step

    def _is_down(self, step: OperationStep) -> str:
        return "running" if self.store.instance_index.size(("live", step.subject)) else "done"

    def _up(self, step: OperationStep) -> OperationStep:
        self.services.change(step.subject, down=False)
        self.services.balance(step.subject)
        return replace(step, until=self._limit())
