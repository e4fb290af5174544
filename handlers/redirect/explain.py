"""Where a redirect would send the calls of a message type, as a line for `ccserver explain`.

It works from the plan alone: nothing is started, and a relocation that a running server has
carried out is not known here.
"""

from __future__ import annotations

from ccproxy import Fault, Plan
from ccproxy.protocols.jolie import paths

from .location import Location
from .options import Options
from .relocation import is_relocation
from .table import RouteTable, remainder_of


def destination(name: str, options: Options, type: str, plan: Plan) -> str:
    """What section `name` does with calls of this type."""
    if is_relocation(type):
        return relocation(options)
    routes = [one.prefix for one in plan.routes if name in one.sections]
    names, operation = remainder_of(type, routes, listener_parts(type, plan))
    path = paths.path_of(names)
    table = RouteTable(dict(options.redirects.pairs), dict(options.operations.pairs))
    found = table.find(path, operation)
    moved = "; relocations may have changed its table" if options.relocate_from else ""
    if not isinstance(found, Fault):
        other = plan.handler(found.port)
        assert other is not None  # `check` has found every section that an option names
        return f"{call(other.options, found.path, operation)} ([{found.port}]){moved}"
    if options.location is None:
        return f"answered with a fault: {found.value.tree().payload!s}{moved}"
    return call(options, path, operation)


def listener_parts(type: str, plan: Plan) -> int:
    """How many parts of a type come from the listener of the call, and name no resource."""
    prefixes = [one.type for one in plan.listeners if one.type]
    return max((one.count(".") + 1 for one in prefixes if type.startswith(f"{one}.")), default=0)


def call(options: Options, path: str, operation: str) -> str:
    """The operation that is called, and where."""
    assert options.location is not None
    calls = called(options.location, options.protocol, path, operation)
    seen = f"; {', '.join(options.couriers)} may change call and answer" if options.couriers else ""
    moved = "; relocations may have moved it" if options.relocate_from else ""
    return f"{calls}{seen}{moved}"


def called(location: Location, protocol: str, path: str, operation: str) -> str:
    """The operation that is called, and where, without what may come in between."""
    resource = location.forward(path)
    where = f" on resource {resource}" if resource != "/" else ""
    return f"calls {operation}{where} of the service at {location} in {protocol}"


def relocation(options: Options) -> str:
    """What a message does that moves the service."""
    allowed = ", ".join(options.relocate_from)
    if not allowed:
        return "refuses to move the service: no relocate-from"
    table = ", and changes the table" if options.location is None else ""
    return f"moves the service to another location{table}, for peers of {allowed}"
