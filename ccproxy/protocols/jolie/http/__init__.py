"""HTTP/1.1 framed by h11, and Jolie's `http` protocol with format json on it.

Pure: bytes in, values out, bytes out. It must never open a socket or read a clock.
"""

from ccproxy.protocols.jolie.http.client import Client
from ccproxy.protocols.jolie.http.form import Http, HttpCaller, HttpService, Token
from ccproxy.protocols.jolie.http.messages import Limits, Refused, Request, Response, Sending
from ccproxy.protocols.jolie.http.server import Server

__all__ = [
    "Client", "Http", "HttpCaller", "HttpService", "Limits", "Refused", "Request", "Response",
    "Sending", "Server", "Token",
]  # fmt: skip
