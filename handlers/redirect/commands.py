"""Carries out what operators ask of one redirect: where is it, move it, add and remove resources.

Nothing is changed unless the message came in at a listener that `relocate-from` names, all of it
can be read and the service can be called; then it is changed at once, and saved if that is asked
for. It must never end a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy import Message
from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.values import Answer, Result, io_fault

from . import relocation, state
from .connections import Connections
from .destination import ResourceDestination
from .ports import PortMaker
from .relocation import Relocation
from .resources import Resources
from .state import Configured, Kept

SHOWN, LISTED = 100, 2000
"""Resources, and changes, that a status and an answer show by name."""


class RelocationCommands:
    """The operators' side of a redirect; `own` is the port of its location, if it has one."""

    def __init__(
        self, maker: PortMaker, resources: Resources, respond: Callable[[Message, Answer], None]
    ) -> None:
        self.own: Connections | None = None
        self._ctx = maker.ctx
        self._options = options = maker.options
        self._maker = maker
        self._resources = resources
        self._respond = respond
        place = (options.location, options.protocol) if options.location is not None else None
        self._configured = Configured(place, dict(options.redirects.pairs))
        self._kept = Kept()
        self._saving = asyncio.Lock()

    def start(self) -> None:
        """Make the port of the location, and the changes that were saved."""
        if self._options.state:
            try:
                self._kept = state.read(self._options.state, self._configured)
            except (OSError, ValueError) as reason:
                self._ctx.log.warning("no saved relocation: %s", reason)
        if self._configured.place is not None:
            self.own = self._maker.port(self._maker.target(*self._configured.place))
            self._restore(self.own)
        for problem in self._resources.restore(self._kept.resources):
            self._ctx.log.warning("no saved relocation: %s", problem)
        for name, to in self._resources.changes.items():
            self._ctx.log.info("relocated as saved resource=%s to=%s", name, to)

    def may(self, listener: str) -> bool:
        """True if what comes in at this listener may relocate."""
        return listener in self._options.relocate_from

    def handle(self, message: Message) -> None:
        """Do what a message asks for, and answer it."""
        try:
            if not self.may(message.listener):
                self._ctx.log.warning("relocation refused listener=%s", message.listener)
                raise ValueError(f"[{message.listener}] may not relocate [{self._ctx.name}]")
            wanted = relocation.read(message.value())
            if wanted.save and not self._options.state:
                raise ValueError(f'[{self._ctx.name}] has no file "state" to save it in')
            done = self._do(wanted)
        except ValueError as reason:
            self._respond(message, io_fault(str(reason)))
            return
        if wanted.save:
            self._ctx.task(self._save(message, wanted, done))
        else:
            self._respond(message, Result(Json({**done, "saved": False})))

    def status(self) -> dict[str, Any]:
        """Where calls go and how many are in flight, and what is other than in the INI."""
        facts = {**self._place(), **self._table(SHOWN)}
        if facts and self._options.state:
            facts["state"] = self._options.state
        return facts

    def _do(self, wanted: Relocation) -> dict[str, Any]:
        """Carry it out; the answer, or ValueError if it cannot be done and nothing is changed."""
        if wanted.add or wanted.remove:
            return self._change(wanted)
        own = self.own
        if own is None:
            if wanted.location is not None or wanted.protocol:
                what = "has no location of its own; add a resource, or move what its table names"
                raise ValueError(f"[{self._ctx.name}] {what}")
            return self._table(LISTED)
        before = own.port.target
        protocol = wanted.protocol or before.protocol.word
        target = self._maker.target(wanted.location or before.location, protocol)
        if wanted.location is not None:
            own.relocate(target)
            self._ctx.log.info("relocated from=%s to=%s", before.location, wanted.location)
        now = own.port
        place = {"location": str(now.target.location), "protocol": now.target.protocol.word}
        answer = relocation.moved(place, before.location)
        return {**answer, "calls": len(now), **self._table(LISTED)}

    def _change(self, wanted: Relocation) -> dict[str, Any]:
        name, resources = wanted.add or wanted.remove, self._resources
        if wanted.add and all(map(relocation.is_relocation, self._ctx.routes)):
            what = "gets its calls from other sections; add the resource to one of those"
            raise ValueError(f"[{self._ctx.name}] {what}")
        before, calls = resources.destination(name), resources.calls(name)
        if wanted.remove:
            resources.remove(name)
        elif wanted.section:
            resources.put(name, ResourceDestination(wanted.section))
        else:
            protocol = wanted.protocol or (before and before.protocol) or self._options.protocol
            resources.put(name, ResourceDestination("", wanted.location, protocol))
        to = resources.destination(name)
        self._ctx.log.info("relocated resource=%s from=%s to=%s", name, before, to)
        return {**relocation.changed(name, to, before), "calls": calls}

    def _place(self) -> dict[str, Any]:
        if self.own is None:
            return {}
        port = self.own.port
        facts = {
            "location": str(port.target.location),
            "protocol": port.target.protocol.word,
            "calls": len(port),
            "connections": len(self.own),
            "draining": port.draining,
            "unmatched": port.unmatched,
        }
        moved = self._moved()
        return {**facts, "moved": moved} if moved else facts

    def _moved(self) -> str:
        """What of the place is other than in the INI, or will be after a restart."""
        configured, kept, now = self._configured.place, self._kept.place, self._present()
        if configured is None or now == configured == (kept or configured):
            return ""
        word = "as in the INI" if now == configured else "from {} in {}".format(*configured)
        if kept == now:
            return f"{word}, saved"
        return word if kept is None else "{}, {} in {} is saved".format(word, *kept)

    def _table(self, most: int) -> dict[str, Any]:
        """The resources and what is changed of them, at most so many of each."""
        resources = self._resources
        facts: dict[str, Any] = {}
        names = resources.names
        if names or resources.changes:
            facts["resources"] = {name: str(resources.destination(name)) for name in names[:most]}
        changes = sorted(resources.changes.keys() | self._kept.resources.keys())
        if changes:
            facts["changed"] = {name: self._changed(name) for name in changes[:most]}
        if max(len(names), len(changes)) > most:
            facts["resources-in-all"] = len(names)
        if resources.ending:
            facts["ending"] = resources.ending
        return facts

    def _changed(self, name: str) -> str:
        """What is other than in the INI, or will be after a restart, in a few words."""
        to, configured = self._resources.destination(name), self._resources.configured(name)
        word = "removed" if to is None else f"was {configured}" if configured else "added"
        if name not in self._resources.changes:
            word = "as in the INI"
        if name not in self._kept.resources:
            return word
        kept = self._kept.resources[name]
        return f"{word}, saved" if kept == to else f"{word}, {kept or 'its removal'} is saved"

    def _restore(self, own: Connections) -> None:
        """Point to the place that was saved."""
        saved = self._kept.place
        if saved is None:
            return
        try:
            own.relocate(self._maker.target(*saved))
        except ValueError as reason:
            self._ctx.log.warning("no saved relocation: %s", reason)
            return
        self._ctx.log.info("relocated as saved location=%s protocol=%s", *saved)

    async def _save(self, message: Message, wanted: Relocation, done: dict[str, Any]) -> None:
        """Keep what is now, and answer."""
        async with self._saving:
            kept = self._to_keep(wanted)
            try:
                await self._ctx.run_blocking(
                    state.write, self._options.state, kept, self._configured
                )
            except OSError as reason:
                self._respond(message, io_fault(f"Relocated, but not saved: {reason}"))
                return
            self._kept = kept
        self._respond(message, Result(Json({**done, "saved": True})))

    def _to_keep(self, wanted: Relocation) -> Kept:
        """What was saved before, and of what is now that which the message is about."""
        kept, changes, name = self._kept, self._resources.changes, wanted.add or wanted.remove
        if not name:
            kept = replace(kept, place=self._present())
            return kept if wanted.location is not None else replace(kept, resources=dict(changes))
        resources = {one: to for one, to in kept.resources.items() if one != name}
        if name in changes:
            resources[name] = changes[name]
        return replace(kept, resources=resources)

    def _present(self) -> state.ServicePlace | None:
        if self.own is None:
            return None
        target = self.own.port.target
        return target.location, target.protocol.word
