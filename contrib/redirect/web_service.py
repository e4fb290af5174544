#!/usr/bin/env python3
"""A small service over HTTP with XML, or over SOAP, as Jolie has them: for demos and benchmarks.

    python contrib/redirect/web_service.py sum --protocol soap --port 8001
    python contrib/redirect/web_service.py sub --protocol http --port 0     any port; it is printed

One operation on the children x and y, whose answer is an int. It needs the standard library alone
and knows nothing of ccproxy. Connections stay open. As in a Jolie program, one parser serves all
calls over http, and a call that comes while it is busy is refused (FWK005); soap has no such limit.
"""

from __future__ import annotations

import argparse
import operator
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {"sum": operator.add, "sub": operator.sub}
TYPE = "text/xml; charset=utf-8"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SCHEMA = "http://www.w3.org/2001/XMLSchema"
ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8" ?><SOAP-ENV:Envelope xmlns:SOAP-ENV="{soap}" '
    'xmlns:xsd="{schema}" xmlns:xsi="{schema}-instance"><SOAP-ENV:Body>{inner}</SOAP-ENV:Body>'
    "</SOAP-ENV:Envelope>"
)
FAULT = (
    "<SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode><faultstring>{name}: {text}"
    '</faultstring><detail><{name} xsi:type="xsd:string">{text}</{name}></detail></SOAP-ENV:Fault>'
)
BUSY = "org.xml.sax.SAXException: FWK005 parse may not be called while parsing."
PARSER = threading.Lock()


class Refused(Exception):
    """A fault: its name and its text."""


class HttpCalls(BaseHTTPRequestHandler):
    """Calls over http with XML."""

    protocol_version = "HTTP/1.1"
    operation = "sum"
    concurrent = False

    def setup(self) -> None:
        """Answer at once, whatever the kernel has acknowledged."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def do_POST(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not PARSER.acquire(blocking=self.concurrent):
            self.close_connection = True
            self.say(500, BUSY, "text/plain; charset=utf-8")
            return
        try:
            root = ElementTree.fromstring(body)
        finally:
            PARSER.release()
        name = self.headers["X-Jolie-Operation"] or self.path.rpartition("/")[2]
        try:
            status, inner = 200, str(self.called(name, root))
        except Refused as fault:
            status, inner = 500, "<{0}>{1}</{0}>".format(*fault.args)
        self.say(status, f"<{name}Response>{inner}</{name}Response>", TYPE)

    def called(self, name: str, root: ElementTree.Element) -> int:
        """The result of a call, or Refused."""
        if name != self.operation:
            raise Refused("IOException", f"Invalid operation: {name}")
        try:
            x, y = (int(root.findtext(field, "")) for field in ("x", "y"))
        except ValueError:
            raise Refused("TypeMismatch", "expected INT") from None
        return OPERATIONS[name](x, y)

    def say(self, status: int, body: str, type: str) -> None:
        """Send an answer in one piece."""
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(data)))
        self._headers_buffer.append(b"\r\n" + data)  # type: ignore[attr-defined]
        self.flush_headers()

    def version_string(self) -> str:
        """As the original calls itself."""
        return "Jolie"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of single calls."""


class SoapCalls(HttpCalls):
    """Calls over soap."""

    def do_POST(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        [root] = ElementTree.fromstring(body).iterfind(f"{{{SOAP}}}Body/*")
        name = self.headers["SOAPAction"].strip('"').rpartition("/")[2]
        try:
            result = self.called(name, root)
            inner = f'<{name}Response xsi:type="xsd:int">{result}</{name}Response>'
            status = 200
        except Refused as fault:
            inner, status = FAULT.format(name=fault.args[0], text=fault.args[1]), 500
        self.say(status, ENVELOPE.format(soap=SOAP, schema=SCHEMA, inner=inner), TYPE)


class Server(ThreadingHTTPServer):
    """Each connection has a thread, which ends with the process."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("operation", choices=OPERATIONS)
    parser.add_argument("--protocol", choices=["http", "soap"], default="http")
    parser.add_argument("--port", type=int, default=0, help="default: any; it is printed")
    parser.add_argument("--concurrent", action="store_true", help="let calls wait for the parser")
    args = parser.parse_args()
    HttpCalls.concurrent = args.concurrent
    HttpCalls.operation = args.operation
    server = Server(("127.0.0.1", args.port), SoapCalls if args.protocol == "soap" else HttpCalls)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
