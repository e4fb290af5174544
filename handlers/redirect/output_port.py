"""An output port: the target of new calls, and the earlier targets that still owe answers.

Relocation swaps the target: calls already sent are answered by the old target, calls not yet sent
and all later ones go to the new one; an old connection is closed after its last answer. It must
never send a call again that may have been executed, or let one end without answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ccproxy import Courier, Steps
from ccproxy.protocols.jolie.sodep import Upstream, UpstreamPool
from ccproxy.protocols.jolie.values import (
    Answered,
    Call,
    Fault,
    Result,
    ServiceSide,
    Value,
)

from . import couriers, faults
from .actions import PortAction, Respond
from .calls import TargetCalls
from .target import ServiceTarget


class _Carried(NamedTuple):
    """A caller whose answer the couriers will see, with the call that was forwarded."""

    caller: Any
    call: Call


class OutputPort:
    """One port. Its events are those of `TargetCalls`; `numbers` numbers the connections."""

    def __init__(
        self,
        target: ServiceTarget,
        numbers: Iterator[int],
        couriers: Sequence[Courier] = (),
        clock: Callable[[], float] | None = None,
    ) -> None:
        """With a clock calls may take the fast path, unless couriers have to see each of them."""
        self._numbers = numbers
        self._couriers = tuple(couriers)
        self._clock = None if couriers else clock
        self._now = TargetCalls(target, numbers, self._clock)
        self._old: list[TargetCalls] = []
        self._open = True

    @property
    def target(self) -> ServiceTarget:
        """Where new calls go."""
        return self._now.target

    @property
    def draining(self) -> int:
        """Earlier targets that still owe answers."""
        return len(self._old)

    @property
    def unmatched(self) -> int:
        """Answers of the present target that matched no call."""
        return self._now.unmatched

    def __len__(self) -> int:
        """Calls without answer."""
        return sum(map(len, self._all()))

    def ask(self, caller: Any, call: Call, now: float) -> list[PortAction]:
        """Take one call; `call.path` is what is left to forward."""
        if not self._open:
            return [Respond(caller, faults.lost(faults.STOPS))]
        if not self._couriers:
            return self._now.ask(caller, call, now)
        found = couriers.before(self._couriers, call)
        if isinstance(found, Result | Fault):
            return [Respond(caller, found)]
        return self._shown(self._now.ask(_Carried(caller, found), found, now))

    def prepare(self, value: Value) -> Steps[Value] | None:
        """Give a large value the form of the target; None if it needs no preparation."""
        return self._now.pool.form.prepare(value)

    def side(self, connection: int) -> ServiceSide:
        """The side of the protocol that reads and writes a connection."""
        return self._of(connection).pool.side(connection)

    def upstream(self, connection: int) -> Upstream | None:
        """The connection as the fast path sees it, None without one; its owner writes its calls."""
        found = self._of(connection).pool.find(connection)
        return found.upstream if found else None

    def apart(self, connection: int) -> bool:
        """True if each call on the connection is to be written by itself."""
        return self._of(connection).pool.form.apart

    @property
    def upstreams(self) -> UpstreamPool | None:
        """Where the fast path may take new calls; None if the port has to see each of them."""
        return self._now.pool.upstreams if self._open else None

    def opened(self, connection: int, now: float) -> list[PortAction]:
        """A connection is up."""
        return self._of(connection).opened(connection, now)

    def refused(self, connection: int, reason: str, now: float) -> list[PortAction]:
        """A connection could not be made."""
        return self._ended(self._of(connection).refused(connection, reason, now))

    def answered(self, connection: int, answers: list[Answered], now: float) -> list[PortAction]:
        """Answers came in; if the service closes behind them, call `ending` before."""
        return self._ended(self._of(connection).answered(connection, answers, now))

    def progress(self, connection: int, now: float) -> None:
        """The request or the answer on this connection, which comes in pieces, goes on."""
        self._of(connection).progress(connection, now)

    def late(self, connection: int, now: float) -> list[PortAction]:
        """Answers on this connection take long."""
        return self._of(connection).late(now)

    def unsent(self, connection: int, id: int, now: float) -> list[PortAction]:
        """A request could not be written."""
        return self._ended(self._of(connection).unsent(connection, id, now))

    def ending(self, connection: int) -> None:
        """The service takes no further call on this connection."""
        self._of(connection).ending(connection)

    def lost(self, connection: int, reason: str, now: float) -> list[PortAction]:
        """A connection ended, or sent what cannot be read."""
        return self._ended(self._of(connection).lost(connection, reason, now))

    def tick(self, now: float) -> list[PortAction]:
        """Answer calls that waited too long, close idle connections; to be called when `due`."""
        return self._ended([action for one in self._all() for action in one.tick(now)])

    def deadline(self) -> float:
        """When the next call has waited too long; infinity if no call waits."""
        return min(one.deadline() for one in self._all())

    def due(self, now: float) -> float:
        """When `tick` has something to do at the earliest; infinity if there is nothing."""
        return min(one.due(now) for one in self._all())

    def relocate(self, target: ServiceTarget, now: float) -> list[PortAction]:
        """Point to another target; nothing happens if it is the present one."""
        return [] if target == self._now.target else self._point(target, now)

    def renew(self, now: float) -> list[PortAction]:
        """Point to the same target anew: all calls that take the fast path are asked about again,
        because some of them belong to another port from now on."""
        return self._point(self._now.target, now)

    def _point(self, target: ServiceTarget, now: float) -> list[PortAction]:
        if not self._open:
            return []
        before = self._now
        actions, moved = before.retire(now)
        self._now = TargetCalls(target, self._numbers, self._clock)
        self._old.append(before)
        for waiting in moved:
            actions += self._now.take(waiting, now)
        return self._ended(actions)

    def stop(self, now: float) -> list[PortAction]:
        """Take no more calls; those sent are still answered until `tick` ends them."""
        self._open = False
        actions, moved = self._now.retire(now)
        fault = faults.lost(faults.STOPS)
        actions += [Respond(waiting.caller, fault) for waiting in moved]
        return self._ended(actions)

    def _all(self) -> tuple[TargetCalls, ...]:
        return (*self._old, self._now)

    def _of(self, connection: int) -> TargetCalls:
        """The calls that own a connection; the present ones for a connection that has ended."""
        if not self._old or connection in self._now.pool:
            return self._now
        return next((one for one in self._old if connection in one.pool), self._now)

    def _ended(self, actions: list[PortAction]) -> list[PortAction]:
        if self._old:
            self._old = [one for one in self._old if not one.done]
        return self._shown(actions) if self._couriers else actions

    def _shown(self, actions: list[PortAction]) -> list[PortAction]:
        """The actions, with the answers of carried calls as the couriers leave them."""
        return [self._show(action) for action in actions]

    def _show(self, action: PortAction) -> PortAction:
        if not isinstance(action, Respond) or not isinstance(action.caller, _Carried):
            return action
        caller, call = action.caller
        return Respond(caller, couriers.after(self._couriers, call, action.answer))
