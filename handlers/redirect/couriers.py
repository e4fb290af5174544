"""Couriers, as Jolie has them: they run before a call is forwarded and after its answer came.

A courier may log, authorise, rewrite, or answer instead of the service. It sees values as trees
if it asks for them; a value that it leaves alone passes untouched. It must not wait. An exception
of a courier is a fault for this caller, is logged under the name of the courier's section, and
affects no other call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from ccproxy import Handler
from ccproxy.protocols.jolie.values import Answer, Call, Fault, Result, io_fault

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Courier:
    """Base class: override one method or both."""

    def before(self, call: Call) -> Call | Answer:
        """The call to forward, or the answer to give without forwarding it."""
        return call

    def after(self, call: Call, answer: Answer) -> Answer:
        """The answer to give; `call` is the one that was forwarded."""
        return answer


def before(couriers: Sequence[Courier], call: Call) -> Call | Answer:
    """Ask each in order until one answers; the answer has passed `after` of those before it."""
    for index, courier in enumerate(couriers):
        found = _guarded(courier.before, call)
        if isinstance(found, Result | Fault):
            return after(couriers[:index], call, found)
        if not isinstance(found, Call):
            return io_fault(f"{type(courier).__name__}.before gave no call and no answer")
        call = found
    return call


def after(couriers: Sequence[Courier], call: Call, answer: Answer) -> Answer:
    """Show the answer to each, the last first."""
    for courier in reversed(couriers):
        answer = _guarded(courier.after, call, answer)
        if not isinstance(answer, Result | Fault):
            answer = io_fault(f"{type(courier).__name__}.after gave no answer")
    return answer


def _guarded(step: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T | Fault:
    try:
        return step(*args, **named)
    except Exception as reason:
        _log_failure(step, reason)
        # The text of the exception may hold secrets of the call; its class is enough for a caller.
        return io_fault(f"{step.__qualname__} failed: {type(reason).__name__}")


def _log_failure(step: Callable[..., object], reason: Exception) -> None:
    """Raise the exception again in a timer, where the server logs it with the section's name.

    The server limits how often it logs the same failure.
    """
    courier = getattr(step, "__self__", None)
    if not isinstance(courier, Handler):
        return

    def again() -> None:
        raise RuntimeError(f"{step.__qualname__} failed") from reason

    courier.ctx.count("courier-failed")
    courier.ctx.call_later(0.0, again)
