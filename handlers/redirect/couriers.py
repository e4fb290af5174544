"""Runs the couriers of a redirect: before a call is forwarded and after its answer came.

`ccproxy.courier` is their contract. An exception of a courier must never affect another call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from ccproxy import Answer, Call, Courier, Fault, Handler, Result
from ccproxy.protocols.jolie.values import io_fault

_P = ParamSpec("_P")
_T = TypeVar("_T")


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
