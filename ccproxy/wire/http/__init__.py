"""HTTP/1.1 framed by h11, and Jolie's `http` protocol with format json on it.

Pure: bytes in, values out, bytes out. It must never open a socket or read a clock.
"""

from ccproxy.wire.http.client import Client
from ccproxy.wire.http.form import Http, HttpCaller, HttpService, Token
from ccproxy.wire.http.messages import Limits, Refused, Request, Response, Sending
from ccproxy.wire.http.server import Server

__all__ = [
    "Client", "Http", "HttpCaller", "HttpService", "Limits", "Refused", "Request", "Response",
    "Sending", "Server", "Token",
]  # fmt: skip
