"""Resource paths: which names are in them, what is forwarded, which message type they make.

    /Sum  /!/Sum  /Sum/                names Sum             PREFIX.Sum.OPERATION
    /!/A/B  /!/A/!/B  /A//B            names A, B            PREFIX.A.B.OPERATION
    /  Sum (no slash)  nothing         no names              PREFIX.OPERATION
    /A.b, operation c/d                names A.b             PREFIX.A_b.c_d

The original keeps `!` and empty names, so that with it nested resources work in one spelling only.
Pure text. It must never know which resources there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TOKEN = "!"
MEMORABLE = 512
"""Characters of path and operation together, up to which the two are remembered."""
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def names(path: str) -> tuple[str, ...]:
    """The resource names in a path; none if it means the receiver itself."""
    if path == "/":
        return ()
    return tuple(one for one in path.split("/")[1:] if one and one != TOKEN)


def memorable(*texts: str) -> bool:
    """True for texts that may be stored as a key: long ones could fill the memory."""
    return sum(map(len, texts)) <= MEMORABLE


def path_of(names: Iterable[str]) -> str:
    """The path as a program of the original understands it."""
    return "/" + "/".join(names)


def type_of(prefix: str, names: Iterable[str], operation: str) -> str:
    """The message type of a call; what a type cannot have in a part of it is `_` there."""
    return ".".join([prefix, *(_ODD.sub("_", one) or "_" for one in (*names, operation))])
