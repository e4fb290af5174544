"""The border around the code of plugins: whatever it raises is an ordinary exception behind it.

SystemExit, KeyboardInterrupt and CancelledError would end the server, or a task of it. With this
border a call of a plugin needs `except Exception` like any other call. It must never swallow an
exception, nor the ^C of an operator.
"""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType

KERNEL = Path(__file__).parents[1]
"""The folder of the kernel's own code."""


class PluginExit(Exception):
    """A plugin raised an exception such as SystemExit, which its traceback and its cause show."""


class PluginCode:
    """`with PluginCode():` turns what is raised into PluginExit, if it is no Exception."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if error is None or isinstance(error, Exception) or interrupted(error):
            return
        raise exit_of(error) from error


def exit_of(error: BaseException) -> PluginExit:
    """The ordinary exception for one that is none, with the same traceback."""
    return PluginExit(f"raised {error!r:.200}").with_traceback(error.__traceback__)


def interrupted(error: BaseException) -> bool:
    """True if an operator may have pressed ^C: Python's own handler of SIGINT raises it then.

    A server has its own handler of SIGINT, so there a KeyboardInterrupt comes from the plugin.
    """
    ours = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return isinstance(error, KeyboardInterrupt) and not ours


def file_of(made: object) -> str:
    """The file in which the class of an object is defined, for messages about a plugin."""
    kind = type(made)
    return str(getattr(sys.modules.get(kind.__module__), "__file__", None) or kind.__module__)


def fault_of(what: str, error: BaseException) -> str:
    """A hint that names the plugin `what`, and file and line if its own code raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    file = Path(last.filename)
    ours = KERNEL in file.parents
    return f"a fault of {what}" if ours else f"a fault of {what}, {file.name}:{last.lineno}"
