"""How many instances a service has, and what happens when one ends: goals, back-off, replacement.

It must never send a message: it plans instances and gives them to the instance machine.
"""

from __future__ import annotations

from dataclasses import replace

from ...graph import EAGER, Service
from . import placement
from .rows import Goal, Instance, Trouble
from .state import Mesh
from .store import staying
from .tables import ENDED, InstanceState

_NO_BLAME = frozenset({423, 409})
"""Start failures that say nothing about the node: other ports or another id will do."""


class Services:
    """`last_port` remembers the port given out last, per address; a hint, not state."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.last_port: dict[str, int] = {}

    def goal(self, name: str) -> Goal:
        """What is wanted of a service."""
        found = self.mesh.store.goals.get(name)
        if found:
            return found
        service = self.mesh.graph.services[name]
        target = service.replicas.least if service.start == EAGER else 0
        return Goal(name, target, service.program or name)

    def change(self, name: str, **changes: object) -> Goal:
        """Change what is wanted of a service."""
        goal = replace(self.goal(name), **changes)  # type: ignore[arg-type]
        self.mesh.store.put(goal)
        return goal

    def balance(self, name: str) -> None:
        """Plan the instances that are missing; end those that are too many."""
        service = self.mesh.service(name)
        if service is None:
            return
        goal = self.goal(name)
        index = self.mesh.store.instance_index
        wanted = goal.target
        if not goal.hold and self.mesh.store.session_index.size(("waiting", name)):
            wanted = max(wanted, service.replicas.least, 1)
        if goal.broken or goal.hold or (service.alone and self._leaving(name)):
            return
        while index.size(("staying", name)) < min(wanted, max(service.replicas.most, goal.target)):
            self.plan(service)

    def _leaving(self, name: str) -> bool:
        index = self.mesh.store.instance_index
        return index.size(("live", name)) > index.size(("staying", name))

    def plan(self, service: Service, node: str = "") -> Instance:
        """One more instance; it is placed at once if there is a place."""
        goal = self.goal(service.name)
        if goal.target < service.replicas.least:
            self.change(service.name, target=service.replicas.least)
        number = self.mesh.store.next("instance")
        row = Instance(
            number, service.name, goal.program, InstanceState.PLANNED, node=node,
            since=self.mesh.now,
        )  # fmt: skip
        self.mesh.store.put(row)
        self.find_place(row)
        return self.mesh.store.instances[number]

    def find_place(self, row: Instance) -> None:
        """Place a planned instance, or say when to try again."""
        service = self.mesh.service(row.service)
        place = placement.find(self.mesh, service, row.program, row.node) if service else None
        if place is None:
            retry = placement.retry_at(self.mesh, row.service, row.program)
            deadline = retry if retry > self.mesh.now else 0.0
            self.mesh.store.put(replace(row, deadline=deadline))
            return
        self.mesh.notice("placed", row.key, f"{row.service} on {place.agent.key}: {place.reason}")
        request = self.mesh.store.next("message")
        self.mesh.instances.fire(
            row.key, "place", agent=place.agent.key, address=place.agent.address,
            sockets=place.ports, held=True, request=request,
        )  # fmt: skip

    def possible(self, name: str) -> bool:
        """True if waiting for an instance makes sense."""
        service = self.mesh.service(name)
        if service is None or self.goal(name).broken:
            return False
        if self.goal(name).hold or self.mesh.store.instance_index.size(("live", name)):
            return True
        return placement.hopeful(self.mesh, self.goal(name).program)

    def use(self, repository: tuple[str, ...]) -> None:
        """Programs have become available: place what waits, start what is missing."""
        store = self.mesh.store
        for name in self.mesh.graph.services:
            program = self.goal(name).program
            if program not in repository:
                continue
            for key in list(store.instance_index.of(("staying", name))):
                if store.instances[key].state is InstanceState.PLANNED:
                    self.find_place(store.instances[key])
            self.balance(name)

    def settle(self, row: Instance) -> None:
        """An instance ends or has ended: count it, replace it, tell who waits for it."""
        failed = row.state is InstanceState.FAILED and row.was is InstanceState.PLANNED
        if failed:
            self._failed(row)
        if row.state in ENDED:
            self._lower(row, failed)
        self.balance(row.service)
        if not self.possible(row.service):
            self.mesh.offers.refuse_waiting(row.service, 503)
        self.mesh.agents.check_empty(row.agent)
        self.mesh.operations.changed()

    def _lower(self, row: Instance, failed: bool) -> None:
        """The restart policy may not want what ended to be replaced."""
        service = self.mesh.service(row.service)
        kept = service.restart if service else "never"
        own_end = row.state is InstanceState.STOPPED and row.status == 0 and row.tries == 0
        if own_end and row.ran and kept == "always":
            self._avoid(row)
        elif (failed and kept == "never") or (own_end and row.ran):
            target = self.goal(row.service).target
            if target:
                self.change(row.service, target=target - 1)

    def _failed(self, row: Instance) -> None:
        self.mesh.notice("failed", row.key, f"{row.service} on {row.agent}: status {row.status}")
        if row.status == 422:
            why = f"status 422 from {row.agent}: sockets or plugs do not fit the program"
            self.change(row.service, broken=why)
            self.mesh.alarm("broken", row.service, why)
            return
        if row.agent:
            self._avoid(row)

    def _avoid(self, row: Instance) -> None:
        """Avoid the node for a while that doubles; for long after restart_limit failures."""
        settings, now = self.mesh.settings, self.mesh.now
        key = placement.trouble_key(row.service, row.agent)
        old = self.mesh.store.troubles.get(key) or Trouble(key)
        times = tuple(one for one in old.times if one > now - settings.restart_window) + (now,)
        good = row.ran and now - row.ran >= settings.good_running
        in_row = 1 if good else old.row + 1
        free = row.status in _NO_BLAME and in_row <= settings.misses
        wait = 0.0 if free else settings.backoff_first * 2 ** min(in_row - 1, 20)
        until = now + min(wait, settings.backoff_most)
        if len(times) >= settings.restart_limit:
            until = now + settings.restart_window
            self.mesh.alarm("given up", key, f"{len(times)} failures")
        times = times[-settings.restart_limit :]
        forget = max(until, now + settings.restart_window)
        self.mesh.store.put(Trouble(key, times, in_row, until, forget))

    def load(self, name: str) -> None:
        """Start one more if the instances have more sessions than they should, not too often."""
        service = self.mesh.service(name)
        if service is None or not service.scale_at:
            return
        store, goal = self.mesh.store, self.goal(name)
        running = store.instance_index.of(("ready", name))
        count = store.instance_index.size(("staying", name))
        if count >= service.replicas.most or self.mesh.now - goal.scaled < service.cooldown:
            return
        open_ = sum(store.session_index.size(("to", key)) for key in running)
        if running and count == len(running) and open_ >= service.scale_at * len(running):
            self.change(name, scaled=self.mesh.now)
            self.mesh.notice("scaled", name, f"{open_} sessions on {len(running)} instances")
            self.plan(service)

    def surplus(self, row: Instance) -> bool:
        """True if a service has more instances than its goal, and so this one may stop."""
        return self.mesh.store.instance_index.size(("staying", row.service)) > self.floor(row)

    def floor(self, row: Instance) -> int:
        """How many instances idleness never stops."""
        service = self.mesh.service(row.service)
        if service is None or service.kind == "gateway":
            return len(self.mesh.store.instances)
        return service.replicas.least if staying(row) else 0
