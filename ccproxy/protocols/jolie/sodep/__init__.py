"""Sodep, the binary protocol of Jolie: messages found, rewritten and, for translation, read.

The codec is pure: bytes in, values out, bytes out. It must never open a socket or read a clock.
"""

from ccproxy.protocols.jolie.sodep.compiled import (
    AnswerBuffer,
    FastPathStats,
    FastRoute,
    InFlight,
    Upstream,
    UpstreamLoad,
    UpstreamPool,
)
from ccproxy.protocols.jolie.sodep.limits import SodepError, SodepLimits
from ccproxy.protocols.jolie.sodep.messages import (
    Packed,
    SodepToken,
    answer_tail,
    message,
    request_tail,
)
from ccproxy.protocols.jolie.sodep.reader import Frame, SodepReader
from ccproxy.protocols.jolie.sodep.sides import Sodep, SodepCaller, SodepService, respond
from ccproxy.protocols.jolie.sodep.tree import CHARSETS, decode, encode

__all__ = [
    "CHARSETS", "AnswerBuffer", "FastPathStats", "FastRoute", "Frame", "InFlight", "Packed",
    "Sodep", "SodepCaller", "SodepError", "SodepLimits", "SodepReader", "SodepService",
    "SodepToken", "Upstream", "UpstreamLoad", "UpstreamPool", "answer_tail", "decode", "encode",
    "message", "request_tail", "respond",
]  # fmt: skip
