"""How many instances a service has, and what happens when one ends: it is counted and replaced,
and a node on which it failed is avoided for a while.

It must never send a message: it plans instances and gives them to the instance machine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...graph import GraphService
from . import reasons
from .alarms import AT_MOST, BROKEN, GIVEN_UP, NO_PLACE, Alarms
from .events import ServiceUnbalanced
from .instances import InstanceMachine
from .offers import Offers
from .placement import Placement, failures_key
from .rows import AgentRow, DesiredState, InstanceRow, NodeFailures
from .state import State
from .tables import ENDED, InstanceState

_NOT_OF_THE_NODE = frozenset({423, 409})
"""Statuses of a failed start that say nothing about the node: the next instance there gets other
ports and another id."""
INSTANCES_AT_ONCE = 10
"""Instances of a service that are planned or ended in one call."""
_RELIEVED = 0.75
"""The part of scale_at below which a service at its most is no alarm any more: at the limit itself
every session would raise and clear it."""


class Services:
    """`change` says what is wanted of a service, `balance` brings about what is wanted."""

    def __init__(
        self,
        state: State,
        alarms: Alarms,
        placement: Placement,
        instances: InstanceMachine,
        offers: Offers,
    ) -> None:
        self.state = state
        self.store = state.store
        self.alarms = alarms
        self.placement = placement
        self.instances = instances
        self.offers = offers

    def change(self, name: str, **changes: Any) -> DesiredState:
        """Change what is wanted of a service."""
        desired = replace(self.state.desired(name), **changes)
        self.store.put(desired)
        if not desired.broken:
            self.alarms.end(BROKEN, name)
        return desired

    def balance(self, name: str) -> None:
        """Plan the instances that are missing."""
        service = self.state.service(name)
        if service is None:
            return
        desired = self.state.desired(name)
        index = self.store.instance_index
        wanted = desired.target
        if not desired.hold and self.store.session_index.size(("waiting", name)):
            wanted = max(wanted, service.replicas.least, 1)
        leaves = service.alone and self._one_leaves(name)
        if desired.broken or desired.hold or desired.down or leaves:
            return
        most = max(service.replicas.most, desired.target)
        missing = min(wanted, most) - index.size(("staying", name))
        for _ in range(min(missing, INSTANCES_AT_ONCE)):
            self.plan(service)
        if missing > INSTANCES_AT_ONCE:
            self.state.defer(ServiceUnbalanced(name))

    def _end_some(self, name: str) -> None:
        """End instances of a service that is down: some now, and the others later."""
        keys = list(self.store.instance_index.of(("staying", name)))
        for key in keys[:INSTANCES_AT_ONCE]:
            self.instances.drain(self.store.instances[key])
        if len(keys) > INSTANCES_AT_ONCE:
            self.state.defer(ServiceUnbalanced(name))

    def release(self, name: str) -> None:
        """Requests for a service are answered again."""
        self.change(name, hold=False)
        self.balance(name)
        self.offers.answer_waiting(name)

    def stop(self, name: str) -> None:
        """End all instances of a service, and start none until it is wanted again."""
        self.change(name, down=True)
        self.refuse_if_impossible(name)
        self._end_some(name)

    def go_on(self, name: str) -> None:
        """Plan or end more instances of a service of which some were planned or ended."""
        if self.state.desired(name).down:
            self._end_some(name)
        else:
            self.balance(name)

    def balance_all(self) -> None:
        """Plan the instances that are missing of every service."""
        for name in self.state.graph.services:
            self.balance(name)
        for row in list(self.store.alarms.values()):
            self._check_places(row.subject)
            self.check_load(row.subject)

    def _one_leaves(self, name: str) -> bool:
        index = self.store.instance_index
        return index.size(("live", name)) > index.size(("staying", name))

    def plan(self, service: GraphService, node: str = "") -> InstanceRow:
        """One more instance; it is placed at once if there is a place."""
        desired = self.state.desired(service.name)
        if desired.target < service.replicas.least:
            self.change(service.name, target=service.replicas.least)
        number = self.store.next("instance")
        row = InstanceRow(
            number, service.name, desired.program, InstanceState.PLANNED, node=node,
            since=self.state.now,
        )  # fmt: skip
        self.store.put(row)
        self.find_place(number)
        return self.store.instances[number]

    def find_place(self, key: int) -> None:
        """Place a planned instance, or say when to try again."""
        row = self.store.instances.get(key)
        if row is None or row.state is not InstanceState.PLANNED:
            return
        service = self.state.service(row.service)
        place = self.placement.find(service, row.program, row.node) if service else None
        if service is None or place is None:
            self._wait_for_place(row)
            return
        self.state.notice("placed", key, f"{row.service} on {place.agent.key}: {place.reason}")
        request = self.store.next("message")
        self.instances.fire(
            key, "place", agent=place.agent.key, address=place.agent.address,
            sockets=place.ports, ports_reserved=True, request=request,
        )  # fmt: skip
        self._check_places(row.service)

    def _wait_for_place(self, row: InstanceRow) -> None:
        """Say when to look for a place again: when a node is worth trying that failed before, and
        after start_timeout, when the lack of a place becomes an alarm."""
        late = row.since + self.state.settings.start_timeout
        if late <= self.state.now:
            why = self.placement.obstacle(row.service, row.program, row.node)
            self.alarms.begin(NO_PLACE, row.service, why)
        retry = self.placement.retry_at(row.service, row.program)
        times = [one for one in (late, retry) if one > self.state.now]
        self.store.put(replace(row, deadline=min(times, default=0.0)))

    def _check_places(self, name: str) -> None:
        """Clear the alarm of a service none of whose instances waits for a place."""
        if not self.store.instance_index.size(("planned", name)):
            self.alarms.end(NO_PLACE, name)

    def ports_released(self) -> None:
        """Ports are free again: place what waits, the oldest first, as long as there is a place."""
        index = self.store.instance_index
        for name in self.state.graph.services:
            while (key := index.first(("planned", name))) is not None:
                self.find_place(key)
                if self.store.instances[key].state is InstanceState.PLANNED:
                    break

    def use(self, agent: AgentRow) -> None:
        """An agent takes instances: what could not be started at all is tried again, what waits is
        placed, what is missing is started."""
        for desired in list(self.store.desired.values()):
            if desired.broken and desired.program in agent.repository:
                self.change(desired.key, broken="")
        for name in self.state.graph.services:
            if self.state.desired(name).program not in agent.repository:
                continue
            for key in list(self.store.instance_index.of(("staying", name))):
                self.find_place(key)
            self.balance(name)

    def refuse_impossible(self) -> None:
        """Requests do not wait for services that cannot be had any more."""
        for name in self.state.graph.services:
            self.refuse_if_impossible(name)

    def refuse_if_impossible(self, name: str) -> None:
        """Requests do not wait for a service that cannot be had."""
        if not self.placement.possible(name):
            self.offers.refuse_waiting(name, 503)

    # When an instance ends

    def settle(self, row: InstanceRow) -> None:
        """An instance ends or has ended: count it, replace it, tell the requests that wait."""
        failed = row.state is InstanceState.FAILED and row.previous_state is InstanceState.PLANNED
        if failed:
            self._failed(row)
        if row.state in ENDED:
            self._lower(row, failed)
        self._check_places(row.service)
        self.check_load(row.service)
        self.balance(row.service)
        self.refuse_if_impossible(row.service)

    def _lower(self, row: InstanceRow, failed: bool) -> None:
        """The restart policy may not want what ended to be replaced."""
        service = self.state.service(row.service)
        restart = service.restart if service else "never"
        own_end = row.state is InstanceState.STOPPED and row.status == 0 and row.tries == 0
        if own_end and row.ran and restart == "always":
            self._avoid(row)
        elif (failed and restart == "never") or (own_end and row.ran):
            target = self.state.desired(row.service).target
            if target:
                self.change(row.service, target=target - 1)

    def _failed(self, row: InstanceRow) -> None:
        why = reasons.of_failure(row)
        self.state.notice("failed", row.key, f"{row.service} on {row.agent}: {why}")
        if row.status == 422:
            why = f"status 422 from {row.agent}: sockets or plugs do not fit the program"
            self.change(row.service, broken=why)
            self.alarms.begin(BROKEN, row.service, why)
            return
        if row.agent:
            self._avoid(row)

    def _avoid(self, row: InstanceRow) -> None:
        """Avoid the node of a failure: for a time that doubles with each failure in a row, and for
        restart_window after restart_limit failures."""
        settings, now = self.state.settings, self.state.now
        key = failures_key(row.service, row.agent)
        old = self.store.failures.get(key) or NodeFailures(key)
        times = tuple(one for one in old.times if one > now - settings.restart_window) + (now,)
        good = row.ran and now - row.ran >= settings.good_running
        in_row = 1 if good else old.failures_in_row + 1
        free = row.status in _NOT_OF_THE_NODE and in_row <= settings.misses
        wait = 0.0 if free else settings.backoff_first * 2 ** min(in_row - 1, 20)
        until = now + min(wait, settings.backoff_most)
        if len(times) >= settings.restart_limit:
            until = now + settings.restart_window
            wait = f"not started there for {settings.restart_window:g} s"
            self.alarms.begin(
                GIVEN_UP, key, f"{len(times)} failures, {wait}: {reasons.of_end(row)}"
            )
        times = times[-settings.restart_limit :]
        forget = max(until, now + settings.restart_window)
        self.store.put(NodeFailures(key, times, in_row, until, forget))

    def forgive(self, failures: NodeFailures) -> None:
        """Failures are so long ago that they say nothing any more."""
        self.store.drop(failures)
        self.alarms.end(GIVEN_UP, failures.key)

    # When the load grows

    def add_for_load(self, name: str) -> None:
        """Start one more if the instances have more sessions than they should, not too often."""
        service = self.state.service(name)
        if service is None or not service.scale_at:
            return
        index, open_ = self.store.instance_index, self.store.session_index.size(("into", name))
        running, count = index.size(("ready", name)), index.size(("staying", name))
        if not running or count != running or open_ < service.scale_at * running:
            return
        if count >= service.replicas.most:
            self.alarms.begin(AT_MOST, name, f"{count} instances have {open_} sessions, and the "
                              f"graph allows {service.replicas.most}")  # fmt: skip
        elif self.state.now - self.state.desired(name).scaled >= service.cooldown:
            self.change(name, scaled=self.state.now)
            self.state.notice("scaled", name, f"{open_} sessions on {running} instances")
            self.plan(service)

    def session_gone(self, instance: int) -> None:
        """A session of an instance has ended: its service may have room again."""
        row = self.store.instances.get(instance)
        if row is not None:
            self.check_load(row.service)

    def check_load(self, name: str) -> None:
        """Clear the alarm of a service that is not at its most any more, or has less to do."""
        if not self.alarms.stands(AT_MOST, name):
            return
        service = self.state.service(name)
        count = self.store.instance_index.size(("staying", name))
        open_ = self.store.session_index.size(("into", name))
        most = service.replicas.most if service and service.scale_at else count + 1
        if service is None or count < most or open_ < _RELIEVED * service.scale_at * count:
            self.alarms.end(AT_MOST, name)
