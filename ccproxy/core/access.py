"""Views of the flow table, for peers whose rights are limited: what they may not send is refused.

A view holds the flows of the table that its owner may use, so that a message costs what it costs
without limits: one look into a dict. It must never hold a flow that the table has forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakSet

from ccproxy.core.flows import Flow, FlowTable, Target
from ccproxy.core.rights import ALL_RIGHTS, Miss, PeerAccess, Rights


class AccessTable:
    """The rights of peers with a section, by what proves their names."""

    def __init__(self, table: FlowTable, miss: Miss) -> None:
        """`miss` makes the flow of a type that is not in the table."""
        self._table = table
        self._miss = miss
        self._rights: Mapping[tuple[str, str], Rights] = {}
        self._commands: tuple[str, ...] = ()
        self._views: dict[Rights, PeerAccess] = {}
        self._given: WeakSet[PeerAccess] = WeakSet()
        """The restricted ones in use; the views of a removed section stay as long as these."""

    def configure(
        self, rights: Mapping[tuple[str, str], Rights], commands: tuple[str, ...] = ()
    ) -> None:
        """Apply new rights, by the kind and value of what proves a peer; listeners ask again.

        Types that begin with one of `commands` are for peers with the right to operate.
        """
        self._rights = rights
        if commands != self._commands:
            self._commands = commands
            for view in self._views.values():
                view.flows.clear()
        used = {*rights.values(), *(one.rights for one in self._given)}
        self._views = {one: view for one, view in self._views.items() if one in used}
        self._table.views = [view.flows for view in self._views.values()]

    def rights(self, kind: str, value: str) -> Rights | None:
        """The rights of a section; None if no section is about this peer."""
        return self._rights.get((kind, value))

    def refusal(self, kind: str, value: str, type: str) -> str:
        """The name of the section that does not let this peer send a type; "" if it may."""
        rights = self.rights(kind, value)
        if rights is None or rights.may_send(type, self._commands):
            return ""
        return rights.name

    def access(self, rights: Rights | None) -> PeerAccess:
        """What a peer with these rights may do: a new object, which may be changed alone."""
        if rights is None or (rights.send is None and (rights.operate or not self._commands)):
            return PeerAccess(self._table.flows, self._miss, rights or ALL_RIGHTS)
        if rights not in self._views:
            self._views[rights] = self._view(rights)
            self._table.views.append(self._views[rights].flows)
        view = self._views[rights]
        given = PeerAccess(view.flows, view.miss, rights)
        self._given.add(given)
        return given

    def _view(self, rights: Rights) -> PeerAccess:
        flows: dict[bytes, Flow] = {}
        refused = Flow(Target(fate="refused", reason=f"allow:{rights.name}"))
        table = self._table

        def miss(type: bytes) -> Flow:
            if type and not rights.may_send(type.decode("ascii", "replace"), self._commands):
                # Not kept: a peer that makes up types would fill the view.
                return refused
            flow: Flow = table.flows.get(type) or self._miss(type)
            if table.flows.get(type) is flow:
                flows[type] = flow
            return flow

        return PeerAccess(flows, miss, rights)
