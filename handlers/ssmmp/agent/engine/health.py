"""Health controls: ask every attached instance, pass on what is abnormal and the first recovery.

This module must never act on what it learns: the Manager does.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from .rows import ProcessRow
from .state import State
from .tables import UP

_SILENT = 504


class HealthChecks:
    """`open` are the questions without an answer yet, by message id: instance and deadline; `next`
    is the time of the next round of questions."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.open: dict[int, tuple[int, float]] = {}
        self.next = 0.0

    def tick(self) -> None:
        """Report the instances that did not answer, and ask again when it is time."""
        for id, (instance, deadline) in list(self.open.items()):
            if deadline <= self.state.now:
                del self.open[id]
                self._silent(id, instance)
        if self.state.now < self.next:
            return
        self.next = self.state.now + self.state.settings.health_interval
        for row in list(self.state.rows.values()):
            if row.state in UP and row.key in self.state.controls:
                self._ask(row)

    def _ask(self, row: ProcessRow) -> None:
        id = self.state.number()
        self.open[id] = row.key, self.state.now + self.state.settings.health_timeout
        self.state.to_instance(
            row.key,
            ssmmp.AGENT_TO_INSTANCE.make(
                "health_control_request", id, service_name=row.program, service_instance_id=row.key
            ),
        )

    def _silent(self, id: int, instance: int) -> None:
        row = self.state.rows.get(instance)
        if row is None:
            return
        self.state.put(replace(row, health=_SILENT))
        self.state.answer("health_control_response", id, _SILENT, service_name=row.program,
                          service_instance_id=instance)  # fmt: skip

    def answered(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """health_control_response of an instance."""
        if self.open.pop(message.id, (0, 0.0))[0] != instance:
            self.state.count("unexpected.health_control_response")
            return
        row = self.state.rows[instance]
        before, status = row.health, message.status
        if before != status:
            self.state.put(replace(row, health=status))
        recovered = bool(before) and not 200 <= before < 300
        if not message.ok or recovered:
            self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))
