"""HTTP/1.1 framed by h11, and Jolie's `http` protocol with format json on it.

Pure: bytes in, values out, bytes out. It must never open a socket or read a clock.
"""

from ccproxy.protocols.jolie.http.client import HttpClient
from ccproxy.protocols.jolie.http.form import Http, HttpCaller, HttpService, HttpToken
from ccproxy.protocols.jolie.http.messages import (
    HttpLimits,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
)
from ccproxy.protocols.jolie.http.server import HttpServer

__all__ = [
    "Http", "HttpCaller", "HttpClient", "HttpLimits", "HttpRequest", "HttpResponse", "HttpServer",
    "HttpService", "HttpToken", "RefusedRequest", "Sending",
]  # fmt: skip
