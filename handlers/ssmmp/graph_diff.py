"""What differs between two graphs, in words for an operator. Pure: it must never know what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from .graph import Graph, GraphService, Replicas

_APART = ("name", "line", "sockets", "plugs")
"""Fields of a service that are no options, or compared one by one."""


class GraphChange(NamedTuple):
    """One difference: of a service, or of the application."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


def differences(old: Graph, new: Graph) -> Iterator[GraphChange]:
    """All of them: of the application, of services that are gone, of all others in order."""
    if old.name != new.name:
        yield GraphChange(new.name, f"name {old.name} -> {new.name}")
    if old.ports != new.ports:
        yield GraphChange(new.name, f"ports {_text(old.ports)} -> {_text(new.ports)}")
    for name in old.services:
        if name not in new.services:
            yield GraphChange(name, "gone")
    for name, service in new.services.items():
        before = old.services.get(name)
        found = _new(service) if before is None else _changed(before, service)
        yield from (GraphChange(name, text) for text in found)


def _new(service: GraphService) -> Iterator[str]:
    plugs = [f"{one.plug} -> {one.service}.{one.socket}" for one in service.plugs]
    yield ", ".join([f"new {service.kind}, replicas {_text(service.replicas)}", *plugs])


def _changed(old: GraphService, new: GraphService) -> Iterator[str]:
    for one in fields(GraphService):
        before, after = getattr(old, one.name), getattr(new, one.name)
        if one.name not in _APART and before != after:
            yield f"{one.name.replace('_', '-')} {_text(before)} -> {_text(after)}"
    sockets = [{one.name: one.port or "assigned" for one in of.sockets} for of in (old, new)]
    plugs = [{one.plug: f"{one.service}.{one.socket}" for one in of.plugs} for of in (old, new)]
    yield from _entries("socket", *sockets)
    yield from _entries("plug", *plugs)


def _entries(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in {**old, **new}:
        if name not in new:
            yield f"{kind} {name} gone"
        elif name not in old:
            yield f"new {kind} {name}: {new[name]}"
        elif old[name] != new[name]:
            yield f"{kind} {name}: {old[name]} -> {new[name]}"


def _text(value: Any) -> str:
    if isinstance(value, Replicas) and value.least == value.most:
        return str(value.least)
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g} s"
    return str(value) or "none"
