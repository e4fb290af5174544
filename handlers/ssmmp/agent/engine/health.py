"""Health controls: ask every attached instance, pass on what is abnormal and the first recovery."""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from .rows import Process
from .state import House
from .tables import UP

_SILENT = 504


class Checks:
    """`open` are the questions without an answer yet: id to (instance, deadline)."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.open: dict[int, tuple[int, float]] = {}
        self.next = 0.0

    def tick(self) -> None:
        """Report who is silent, and ask again when it is time."""
        for id, (instance, deadline) in list(self.open.items()):
            if deadline <= self.house.now:
                del self.open[id]
                self._silent(id, instance)
        if self.house.now < self.next:
            return
        self.next = self.house.now + self.house.settings.health_interval
        for row in list(self.house.rows.values()):
            if row.state in UP and row.key in self.house.conns:
                self._ask(row)

    def _ask(self, row: Process) -> None:
        id = self.house.number()
        self.open[id] = row.key, self.house.now + self.house.settings.health_timeout
        self.house.to_instance(
            row.key,
            ssmmp.AGENT_TO_INSTANCE.make(
                "health_control_request", id, service_name=row.program, service_instance_id=row.key
            ),
        )

    def _silent(self, id: int, instance: int) -> None:
        row = self.house.rows.get(instance)
        if row is None:
            return
        self.house.put(replace(row, health=_SILENT))
        self.house.answer("health_control_response", id, _SILENT, service_name=row.program,
                          service_instance_id=instance)  # fmt: skip

    def answered(self, row: Process, message: ssmmp.Message) -> None:
        """health_control_response of an instance."""
        if self.open.pop(message.id, (0, 0.0))[0] != row.key:
            self.house.count("unexpected.health_control_response")
            return
        before, status = row.health, message.status
        if before != status:
            self.house.put(replace(row, health=status))
        recovered = bool(before) and not 200 <= before < 300
        if not message.ok or recovered:
            self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))
