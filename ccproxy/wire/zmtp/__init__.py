"""ZMTP, the wire protocol of ZeroMQ, without sockets: bytes in, events out, bytes out."""

from ccproxy.wire.zmtp.commands import (
    Command,
    Error,
    Other,
    Ping,
    Pong,
    parse,
    parse_frame,
)
from ccproxy.wire.zmtp.connection import CommandReceived, MessageReceived, WireConnection
from ccproxy.wire.zmtp.frames import (
    COMMAND,
    LONG,
    MORE,
    ZmtpError,
    boundaries,
    command,
    frame,
    pack,
    span,
    unpack,
)
from ccproxy.wire.zmtp.gather import Gather, MessageTooBig
from ccproxy.wire.zmtp.handshake import Failed, Handshake, HandshakeEvent, Peer, Ready, Transmit
from ccproxy.wire.zmtp.heartbeat import Heartbeat
from ccproxy.wire.zmtp.mechanism import Mechanism, Null
from ccproxy.wire.zmtp.metadata import Properties
from ccproxy.wire.zmtp.sockets import generated_identity

__all__ = [
    "COMMAND", "LONG", "MORE", "Command", "CommandReceived", "Error", "Failed", "Gather",
    "Handshake", "HandshakeEvent", "Heartbeat", "Mechanism", "MessageReceived", "MessageTooBig",
    "Null", "Other", "Peer", "Ping", "Pong", "Properties", "Ready", "Transmit", "WireConnection",
    "ZmtpError", "boundaries", "command", "frame", "generated_identity", "pack", "parse",
    "parse_frame", "span", "unpack",
]  # fmt: skip
