"""Resource paths: which names are in them, what is forwarded, which message type they make.

    /Sum  /!/Sum  /Sum/                names Sum             PREFIX.Sum.OPERATION
    /!/A/B  /!/A/!/B  /A//B            names A, B            PREFIX.A.B.OPERATION
    /  Sum (no slash)  nothing         no names              PREFIX.OPERATION

The original keeps `!` and empty names, so that with it nested resources work in one spelling only.
Pure text; it must never know which resources there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.wire.cc import valid_type

TOKEN = "!"


def names(path: str) -> tuple[str, ...]:
    """The resource names in a path; none if it means the receiver itself."""
    if path == "/":
        return ()
    return tuple(one for one in path.split("/")[1:] if one and one != TOKEN)


def path_of(names: Iterable[str]) -> str:
    """The path that an original downstream understands."""
    return "/" + "/".join(names)


def type_of(prefix: str, names: Iterable[str], operation: str) -> str:
    """The message type of a call, "" if a name in it is none that a type can have."""
    parts = (prefix, *names, operation)
    if any("." in one for one in parts[1:]):
        return ""
    type = ".".join(parts)
    return type if valid_type(type.encode("utf-8", "replace")) else ""
