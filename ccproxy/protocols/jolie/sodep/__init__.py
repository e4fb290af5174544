"""Sodep, the binary protocol of Jolie: messages found, rewritten and, for translation, read.

Pure: bytes in, values out, bytes out. It must never open a socket or read a clock.
"""

from ccproxy.protocols.jolie.sodep.lanes import Account, Lane, Load, Passed, Returns, Trunk, Trunks
from ccproxy.protocols.jolie.sodep.limits import Limits, SodepError
from ccproxy.protocols.jolie.sodep.reader import Frame, Reader
from ccproxy.protocols.jolie.sodep.sides import (
    Packed,
    Sodep,
    SodepCaller,
    SodepService,
    Token,
    answer_tail,
    message,
    request_tail,
    respond,
)
from ccproxy.protocols.jolie.sodep.tree import CHARSETS, decode, encode

__all__ = [
    "CHARSETS", "Account", "Frame", "Lane", "Limits", "Load", "Packed", "Passed", "Reader",
    "Returns", "Sodep", "SodepCaller", "SodepError", "SodepService", "Token", "Trunk", "Trunks",
    "answer_tail", "decode", "encode", "message", "request_tail", "respond",
]  # fmt: skip
