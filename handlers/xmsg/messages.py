"""The protobuf messages of xMsg, as classes of the library `protobuf` (proto2).

The tables say what stands on the wire; names do not. A class made for `bytes` gives every text as
bytes, because no program of xMsg checks that a text is UTF-8. Unknown fields and unknown values of
enums survive parsing and serializing. This module must never know what a field is for.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

MessageClass = Any
"""A class made by the library, which has no types of its own."""
Row = tuple[int, str, str]
"""Number of a field, its name, and its type behind `required` or `repeated`; an enum is given by
its values, a message by `.` and its name, a default behind `=`."""

META: tuple[Row, ...] = (
    (1, "version", "string"),
    (2, "description", "string"),
    (3, "author", "string"),
    (4, "status", "INFO:1 WARNING:2 ERROR:3"),
    (5, "severityId", "sfixed32"),
    (6, "sender", "string"),
    (7, "senderState", "string"),
    (8, "communicationId", "fixed32"),
    (10, "composition", "string"),
    (11, "executionTime", "sfixed64"),
    (12, "action", "EXECUTE:0 CONFIGURE:1"),
    (13, "control", "SKIP:0"),
    (14, "dataType", "required string"),
    (15, "datTypeDescription", "string"),
    (16, "replyTo", "string"),
    (17, "byteOrder", "Little:1 Big:2"),
)
_KINDS = (
    ("VLSINT32", "sint32"),
    ("VLSINT64", "sint64"),
    ("FLSINT32", "sfixed32"),
    ("FLSINT64", "sfixed64"),
    ("FLOAT", "float"),
    ("DOUBLE", "double"),
    ("STRING", "string"),
    ("BYTES", "bytes"),
)
DATA: tuple[Row, ...] = (
    *((number, name, kind) for number, (name, kind) in enumerate(_KINDS, 1)),
    *((number, f"{name}A", f"repeated {kind}") for number, (name, kind) in enumerate(_KINDS, 9)),
)
PAYLOAD_ITEM: tuple[Row, ...] = ((1, "name", "required string"), (2, "data", "required .Data"))
PAYLOAD: tuple[Row, ...] = ((1, "item", "repeated .PayloadItem"),)
REGISTRATION: tuple[Row, ...] = (
    (1, "name", "required string"),
    (2, "description", "string=undefined"),
    (3, "host", "required string"),
    (4, "port", "required sfixed32"),
    (5, "domain", "required string"),
    (6, "subject", "string=undefined"),
    (7, "type", "string=undefined"),
    (8, "ownerType", "PUBLISHER:1 SUBSCRIBER:2"),
)
TABLES = {
    "Meta": META,
    "Data": DATA,
    "PayloadItem": PAYLOAD_ITEM,
    "Payload": PAYLOAD,
    "Registration": REGISTRATION,
}
LABELS = {
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}


def classes(text: str = "string") -> dict[str, MessageClass]:
    """The classes of all tables by name, with texts as `string` or as `bytes`."""
    file = FileDescriptorProto(name="xmsg.proto", package="xmsg", syntax="proto2")
    for name, rows in TABLES.items():
        message = file.message_type.add(name=name)
        for row in rows:
            _add(message, row, text)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"xmsg.{name}")) for name in TABLES}


def _add(message: Any, row: Row, text: str) -> None:
    """Add one row of a table to the description of a message."""
    number, name, form = row
    label, _, kind = form.rpartition(" ") if ":" not in form else ("", "", form)
    kind, _, default = kind.partition("=")
    field = message.field.add(name=name, number=number)
    field.label = LABELS.get(label, FieldDescriptorProto.LABEL_OPTIONAL)
    if default:
        field.default_value = default
    if ":" in kind:
        field.type_name = f".xmsg.{message.name}.{name.capitalize()}"
        field.type = FieldDescriptorProto.TYPE_ENUM
        enum = message.enum_type.add(name=name.capitalize())
        for one in kind.split():
            word, _, value = one.partition(":")
            enum.value.add(name=word, number=int(value))
        return
    if kind.startswith("."):
        field.type_name = f".xmsg{kind}"
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        return
    kind = text if kind == "string" else kind
    field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
