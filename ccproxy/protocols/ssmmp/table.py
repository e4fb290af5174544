"""The message table: one row for each message and hop, with its lines in both editions.

This is the only place that says which messages exist and what is in them; reading, writing, the
documentation and the tests use it. It must never hold code that depends on one message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ccproxy.protocols.ssmmp import kinds
from ccproxy.protocols.ssmmp.kinds import FieldKind


class Actor(Enum):
    """A role that sends or receives."""

    MANAGER = "Manager"
    AGENT = "agent"
    INSTANCE = "instance"


class Edition(Enum):
    """An edition of the specification, which sets the lines of a message and their order."""

    BASE = "base"
    V11 = "1.1"


LineNames = tuple[str, ...]

FIELDS: dict[str, FieldKind] = {
    "agent_network_address": kinds.address,
    "service_repository": kinds.names,
    "status": kinds.status,
    "service_name": kinds.name,
    "service_instance_id": kinds.integer,
    "service_instance_network_address": kinds.address,
    "socket_configuration": kinds.sockets,
    "plug_configuration": kinds.plugs,
    "source_service_name": kinds.name,
    "source_service_instance_id": kinds.integer,
    "source_service_instance_network_address": kinds.address,
    "source_plug_name": kinds.name,
    "source_plug_port": kinds.port,
    "dest_service_name": kinds.name,
    "dest_service_instance_id": kinds.integer,
    "dest_service_instance_network_address": kinds.address,
    "dest_socket_name": kinds.name,
    "dest_socket_port": kinds.port,
    "dest_socket_new_port": kinds.port,
    "source_name": kinds.name,
}
"""The kind of every line, by its name."""

ALIASES = {
    "agent_newtork_address": "agent_network_address",
    "service_instance": "service_instance_id",
}
"""Misspelt line names of a published implementation."""

SUB_TYPE_ALIASES = {
    "source_agent_to_manager": "agent_to_Manager",
    "dest_agent_to_manager": "agent_to_Manager",
}
"""Sub-types of a published implementation, in lower case."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message on one hop. `number` is that of the reference's catalogue, 0 = not in it.

    `base` and `v11` are the lines after `sub_type`; None = not in that edition. `chooser` is the
    role that chooses the id, and `answer` the type of the answer.
    """

    number: int
    type: str
    sub_type: str
    sender: Actor
    receiver: Actor
    base: LineNames | None
    v11: LineNames | None
    chooser: Actor
    answer: str = ""
    origin: str = "base"

    @property
    def required(self) -> frozenset[str]:
        """Lines that must be present, whatever the edition of the sender."""
        if self.base is None or self.v11 is None:
            return frozenset(self.base or self.v11 or ())
        return frozenset(self.base) & frozenset(self.v11)

    def lines(self, edition: Edition) -> LineNames:
        """The lines in the order of an edition; those of the other if this one has no such row."""
        first, second = (self.base, self.v11) if edition is Edition.BASE else (self.v11, self.base)
        return (first if first is not None else second) or ()


_M, _A, _S = Actor.MANAGER, Actor.AGENT, Actor.INSTANCE
_STATUS: LineNames = ("status",)
_INSTANCE: LineNames = ("service_name", "service_instance_id")
_EDGE: LineNames = ("source_plug_name", "dest_service_name", "dest_socket_name")
_SOURCE: LineNames = ("source_service_name", "source_service_instance_id")
_ASK: LineNames = (*_SOURCE, *_EDGE)
_ASK_11: LineNames = (*_SOURCE, "source_service_instance_network_address", *_EDGE)
_OFFER: LineNames = ("status", "dest_service_instance_network_address", "dest_socket_port")
_OFFER_11: LineNames = (
    *_SOURCE, "dest_service_name", "dest_service_instance_id", "dest_socket_name",
    "dest_service_instance_network_address", "dest_socket_port", "status",
)  # fmt: skip
_ACK: LineNames = ("status", "source_plug_port", "dest_socket_new_port")
_ACK_11: LineNames = (*_SOURCE, "source_plug_port", "dest_socket_new_port", "status")
_PLUG: LineNames = ("source_plug_name", "source_plug_port")
_SOCKET: LineNames = ("dest_socket_name", "dest_socket_port", "dest_socket_new_port")
_FROM = "source_service_instance_network_address"
_TO = "dest_service_instance_network_address"
_SRC: LineNames = (
    "source_service_name", _FROM, "source_service_instance_id", *_PLUG,
    "dest_service_name", _TO, *_SOCKET,
)  # fmt: skip
_SRC_11: LineNames = (*_SOURCE, _FROM, *_PLUG, "dest_service_name", _TO, *_SOCKET)
_SRC_INFO_11: LineNames = (
    *_SOURCE, _FROM, *_PLUG, "dest_service_name", "dest_service_instance_id", _TO, *_SOCKET,
    "status",
)  # fmt: skip
_DST: LineNames = (
    _FROM, *_PLUG, "dest_service_name", _TO, "dest_service_instance_id", *_SOCKET,
)  # fmt: skip
_DCR: LineNames = ("dest_service_name", "dest_service_instance_id", _TO, _FROM, *_PLUG, *_SOCKET)
_HEALTH: LineNames = (*_INSTANCE, "status")
_HEALTH_11: LineNames = ("service_instance_id", "service_instance_network_address")
_EXECUTION: LineNames = (
    "agent_network_address", *_INSTANCE, "socket_configuration", "plug_configuration",
)  # fmt: skip
_REGISTER: LineNames = ("agent_network_address", "service_repository")
_END: LineNames = (*_INSTANCE, "service_instance_network_address")
_SOURCE_CLOSE, _DEST_CLOSE = "source_service_session_close", "dest_service_session_close"
_MA, _AM = "Manager_to_agent", "agent_to_Manager"
_SA, _IA, _AI = "service_to_agent", "service_instance_to_agent", "agent_to_service_instance"

ROWS: tuple[Row, ...] = (
    Row(1, "initiation_request", "", _A, _M, _REGISTER, _REGISTER, _A, "initiation_response"),
    Row(2, "initiation_response", "", _M, _A, _STATUS, _STATUS, _A),
    Row(3, "execution_request", "", _M, _A, _EXECUTION, _EXECUTION, _M, "execution_response"),
    Row(4, "execution_response", "", _A, _M, _STATUS, _STATUS, _M),
    Row(5, "session_request", _SA, _S, _A, _ASK, _ASK_11, _S, "session_response"),
    Row(6, "session_request", _AM, _A, _M, ("agent_network_address", *_ASK), _ASK_11, _S,
        "session_response"),
    Row(7, "session_response", _MA, _M, _A, _OFFER, _OFFER_11, _S),
    Row(8, "session_response", "agent_to_service", _A, _S, _OFFER, _OFFER_11, _S, "session_ack"),
    Row(9, "session_ack", _SA, _S, _A, _ACK, _ACK_11, _S),
    Row(10, "session_ack", _AM, _A, _M, _ACK, _ACK_11, _S),
    Row(11, f"{_SOURCE_CLOSE}_info", "source_service_to_agent", _S, _A, _SRC, _SRC_INFO_11, _S),
    Row(12, f"{_SOURCE_CLOSE}_info", _AM, _A, _M, _SRC, _SRC_INFO_11, _S),
    Row(13, f"{_DEST_CLOSE}_info", "dest_service_to_agent", _S, _A, _DST, (*_DST, "status"), _S),
    Row(14, f"{_DEST_CLOSE}_info", _AM, _A, _M, _DST, (*_DST, "status"), _S),
    Row(15, f"{_SOURCE_CLOSE}_request", _MA, _M, _A, _SRC, _SRC_11, _M,
        f"{_SOURCE_CLOSE}_response"),
    Row(16, f"{_SOURCE_CLOSE}_request", "agent_to_source_service", _A, _S, _SRC, _SRC_11, _M,
        f"{_SOURCE_CLOSE}_response"),
    Row(17, f"{_SOURCE_CLOSE}_response", "source_service_to_agent", _S, _A, _STATUS, _STATUS, _M),
    Row(18, f"{_SOURCE_CLOSE}_response", _AM, _A, _M, _STATUS, _STATUS, _M),
    Row(19, f"{_DEST_CLOSE}_request", _MA, _M, _A, _DCR, _DCR, _M, f"{_DEST_CLOSE}_response"),
    Row(20, f"{_DEST_CLOSE}_request", "agent_to_dest_service", _A, _S, _DCR, _DCR, _M,
        f"{_DEST_CLOSE}_response"),
    Row(21, f"{_DEST_CLOSE}_response", "dest_service_to_agent", _S, _A, _STATUS, _STATUS, _M),
    Row(22, f"{_DEST_CLOSE}_response", _AM, _A, _M, _STATUS, _STATUS, _M),
    Row(23, "graceful_shutdown_request", _MA, _M, _A, _INSTANCE, _INSTANCE, _M,
        "graceful_shutdown_response"),
    Row(24, "graceful_shutdown_request", _AI, _A, _S, _INSTANCE, _INSTANCE, _M,
        "graceful_shutdown_response"),
    Row(25, "graceful_shutdown_response", _IA, _S, _A, _STATUS, _STATUS, _M),
    Row(26, "graceful_shutdown_response", _AM, _A, _M, _STATUS, _STATUS, _M),
    Row(27, "hard_shutdown_request", _MA, _M, _A, _INSTANCE, _INSTANCE, _M,
        "hard_shutdown_response"),
    Row(28, "hard_shutdown_response", _AM, _A, _M, _STATUS, ("service_instance_id", "status"), _M),
    Row(29, "health_control_request", _AI, _A, _S, _INSTANCE, None, _A,
        "health_control_response"),
    Row(30, "health_control_response", _IA, _S, _A, _HEALTH, None, _A),
    Row(31, "health_control_response", _AM, _A, _M, _HEALTH, None, _A),
    Row(0, "service_instance_termination_info", _IA, _S, _A, None, _END, _S, origin="1.1"),
    Row(0, "service_instance_termination_info", _AM, _A, _M, None, _END, _S, origin="1.1"),
    Row(0, "service_instance_health_request", _MA, _M, _A, None, _HEALTH_11, _M,
        "service_instance_health_response", "1.1"),
    Row(0, "service_instance_health_request", _AI, _A, _S, None, _HEALTH_11, _M,
        "service_instance_health_response", "1.1"),
    Row(0, "service_instance_health_response", _IA, _S, _A, None,
        ("service_instance_id", "status"), _M, origin="1.1"),
    Row(0, "service_instance_health_response", _AM, _A, _M, None,
        ("service_instance_id", "status"), _M, origin="1.1"),
    Row(0, "agent_health_control_request", _MA, _M, _A, None, ("agent_network_address",), _M,
        "agent_health_control_response", "1.1"),
    Row(0, "agent_health_control_response", _AM, _A, _M, None,
        ("agent_network_address", "status"), _M, origin="1.1"),
    Row(0, "instance_hello_request", _IA, _S, _A, _INSTANCE, _INSTANCE, _S,
        "instance_hello_response", "extension"),
    Row(0, "instance_hello_response", _AI, _A, _S, _STATUS, _STATUS, _S, origin="extension"),
    Row(0, "connection_request", "", _S, _A, ("socket_configuration", "status"), None, _S,
        origin="reference"),
    Row(0, "connection_request", "", _A, _M, ("socket_configuration", "status"), None, _S,
        origin="reference"),
    Row(0, "process_data", _SA, _S, _A, ("source_name", "service_instance_id"), None, _S,
        origin="reference"),
    Row(0, "process_data", _AM, _A, _M, ("source_name", "service_instance_id"), None, _S,
        origin="reference"),
)  # fmt: skip
"""Every message and hop. A message starts with `type`, `message_id`, then `sub_type` if any."""

HOPS: dict[tuple[str, Actor, Actor], Row] = {(r.type, r.sender, r.receiver): r for r in ROWS}
TYPES: dict[str, tuple[Row, ...]] = {
    one.type: tuple(row for row in ROWS if row.type == one.type) for one in ROWS
}


def rows(edition: Edition) -> Iterator[Row]:
    """The rows that exist in an edition, in order."""
    for row in ROWS:
        lines = row.base if edition is Edition.BASE else row.v11
        if lines is not None and row.origin in ("base", edition.value):
            yield row
