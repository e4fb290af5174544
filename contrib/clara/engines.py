"""What services compute: a function from mime type and payload to mime type and payload."""

from __future__ import annotations

from collections.abc import Callable

from xmsg import DATA, TEXT

Engine = Callable[[str, bytes], tuple[str, bytes]]
ARRAY = "binary/array-double"


def echo(kind: str, data: bytes) -> tuple[str, bytes]:
    """What came."""
    return kind, data


def upper(kind: str, data: bytes) -> tuple[str, bytes]:
    """A text in capital letters."""
    return TEXT, data.decode().upper().encode()


def reverse(kind: str, data: bytes) -> tuple[str, bytes]:
    """A text from its end to its beginning."""
    return TEXT, data.decode()[::-1].encode()


def mean(kind: str, data: bytes) -> tuple[str, bytes]:
    """The mean of an array of doubles; ValueError for anything else."""
    numbers = DATA.FromString(data).DOUBLEA if kind == ARRAY else ()
    if not numbers:
        raise ValueError(f"expected numbers in {ARRAY}, found {kind}")
    return "binary/double", DATA(DOUBLE=sum(numbers) / len(numbers)).SerializeToString()


ENGINES: dict[str, Engine] = {"Echo": echo, "Mean": mean, "Reverse": reverse, "Upper": upper}
"""By the class name of a startService request."""
