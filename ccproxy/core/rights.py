"""What a peer with a name may do, as values; `core.access` makes views of the flow table of it.

It must never know what a flow is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Rights:
    """What `[allow:NAME]` allows; None = everything."""

    name: str
    send: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    operate: bool = False
    """True: commands of operators are taken as well."""

    def may_send(self, type: str, commands: tuple[str, ...] = ()) -> bool:
        """True if messages of this type are taken; types that begin so are `commands`."""
        if f"{type}.".startswith(commands) and not self.operate:
            return False
        return self.send is None or any(fnmatchcase(type, one) for one in self.send)

    def may_subscribe(self, prefix: bytes) -> bool:
        """True if this subscription is taken: it may want less than what is allowed, not more."""
        return self.subscribe is None or any(
            prefix.startswith(one.encode()) for one in self.subscribe
        )


ALL_RIGHTS = Rights("")
"""Those of peers without a section."""


Miss = Callable[[bytes], Any]
"""Makes the flow of a type that is not in the table."""


class PeerAccess:
    """What one peer may do now; a reload may change it.

    `flows` and `miss` are for `hot.scan`, in the place of those of the whole switch.
    """

    __slots__ = ("__weakref__", "changed", "flows", "miss", "rights")

    def __init__(self, flows: dict[bytes, Any], miss: Miss, rights: Rights = ALL_RIGHTS) -> None:
        self.changed: Callable[[], None] | None = None
        """Called after a change of the rights, for what has been allowed by earlier ones."""
        self.flows = flows
        self.miss = miss
        self.rights = rights

    def become(self, other: PeerAccess) -> None:
        """Take over what another one may do; that one is used no more."""
        before = self.rights
        self.flows, self.miss, self.rights = other.flows, other.miss, other.rights
        if self.changed is not None and self.rights != before:
            self.changed()
