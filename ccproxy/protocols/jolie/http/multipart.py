"""Bodies of multipart/form-data (RFC 7578): each part is a child of its name, in steps.

    Content-Disposition: form-data; name="x"                     a string, in UTF-8
    Content-Disposition: form-data; name="f"; filename="a.bin"   raw: the bytes as they came

Several parts of one name are a vector. A file name is not kept. It must never take bytes for the
end of a part that are none, or look at more than `WINDOW` bytes in one step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.http.messages import Body
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.sodep.tree import encode
from ccproxy.protocols.jolie.values import Tree, Unportable

MULTIPART = "multipart/form-data"
WINDOW = 1 << 20
"""Bytes that are searched in one step."""
MAX_PARTS = 1024
MAX_HEAD = 8192
"""Bytes of the headers of one part."""

_BOUNDARY = re.compile(
    r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))\s*(?:;|$)', re.IGNORECASE
)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\\r\n]|\\.)*)"', re.IGNORECASE)
_DISPOSITION = re.compile(rb"(?:^|\r\n)content-disposition:([^\r\n]*)", re.IGNORECASE)


def read(headers: Mapping[str, str], body: Body) -> Steps[Encoded]:
    """The value of an unpacked body; Unportable if it is no such form, or has too many parts."""
    found = _BOUNDARY.search(headers.get("content-type", ""))
    if not found:
        raise Unportable(f"{MULTIPART} without a boundary")
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    if not body.startswith(mark[2:]):
        raise Unportable("the body does not begin with the boundary of its content type")
    tree, parts, at = Tree(), 0, len(mark) - 2
    while not body.startswith(b"--", at):
        parts += 1
        if parts > MAX_PARTS:
            raise Unportable(f"a form of more than {MAX_PARTS} parts")
        start = _begin(body, at)
        end = yield from _find(body, mark, start)
        _add(tree, body, start, end)
        at = end + len(mark)
    return Encoded(encode(tree), "utf-8")


def _begin(body: Body, at: int) -> int:
    """Where the part behind a boundary begins, its headers included."""
    line = body.find(b"\r\n", at, at + 80)
    if line < 0 or body[at:line].strip(b" \t"):
        raise Unportable("a boundary that is followed by other bytes on its line")
    # The line break also ends the headers if there are none.
    return line


def _find(body: Body, mark: bytes, start: int) -> Steps[int]:
    """Where the next boundary begins."""
    for at in range(start, len(body), WINDOW):
        found = body.find(mark, at, at + WINDOW + len(mark))
        if found >= 0:
            return found
        yield
    raise Unportable("a form that is cut off: no boundary ends it")


def _add(tree: Tree, body: Body, start: int, end: int) -> None:
    """A part as a child."""
    head = body.find(b"\r\n\r\n", start, min(end, start + MAX_HEAD))
    if head < 0:
        raise Unportable(
            f"a part without an end of its headers, or with more than {MAX_HEAD} bytes"
        )
    disposition = _DISPOSITION.search(body, start, head + 2)
    given = disposition[1].decode("utf-8", "replace") if disposition else ""
    words = {name.lower(): text for name, text in _PARAMETER.findall(given)}
    if not given.strip().lower().startswith("form-data") or "name" not in words:
        raise Unportable("a part that does not say its name")
    name = re.sub(r"\\(.)", r"\1", words["name"])
    content = bytes(body[head + 4 : end])
    payload: str | bytes = content
    if "filename" not in words:
        try:
            payload = content.decode()
        except UnicodeDecodeError as reason:
            raise Unportable(f".{name:.60}: it is not utf-8: byte {reason.start}") from None
    tree.children.setdefault(name, []).append(Tree(payload))
