#!/usr/bin/env python3
"""The ends of the redirect's benchmark in Python: services of every form, and clients for them.

    python contrib/bench/redirect_ends.py service http-json [--tls PEM]      prints its port
    python contrib/bench/redirect_ends.py clients http-json PORT RESOURCE CLIENTS SECONDS [--tls CA]

A service parses each call and adds two numbers. The clients are threads with one connection each,
one call at a time on it; they print the calls a second. They fail at a wrong answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import sys
import threading
from pathlib import Path
from time import perf_counter

from ccproxy.protocols.jolie.sodep import encode, message
from ccproxy.protocols.jolie.values import Tree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "redirect"))
import service as sodep_service
import web_service

FORMS = ("sodep", "http-xml", "http-json", "http-pass", "jsonrpc", "soap")
SCHEMA = "http://www.w3.org/2001/XMLSchema"
SUM = Tree(None, {"x": [Tree(5)], "y": [Tree(3)]})
VALUE = "<sum><x{0}>5</x><y{0}>3</y></sum>"
BODIES = {
    "http-xml": VALUE.format(""),
    "http-json": '{"x":5,"y":3}',
    "http-pass": '{"x":5,"y":3}',
    "jsonrpc": '{"jsonrpc":"2.0","id":1,"method":"sum","params":{"x":5,"y":3}}',
    "soap": web_service.ENVELOPE.format(
        soap=web_service.SOAP, schema=SCHEMA, inner=VALUE.format(' xsi:type="xsd:int"')
    ),
}
RESULTS = {
    "sodep": b"\2\0\0\0\10",
    "http-xml": b">8<",
    "http-json": b'{"$":8}',
    "http-pass": b'{"$":8}',
    "jsonrpc": b'"result":8',
    "soap": b">8<",
}


class JsonCalls(web_service.HttpCalls):
    """Calls over http with JSON."""

    def do_POST(self) -> None:
        """Answer one call."""
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.say(200, f'{{"$":{value["x"] + value["y"]}}}', "application/json")


class JsonRpcCalls(web_service.HttpCalls):
    """Calls over jsonrpc."""

    def do_POST(self) -> None:
        """Answer one call."""
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [value] = call["params"] if isinstance(call["params"], list) else [call["params"]]
        result = {"jsonrpc": "2.0", "id": call["id"], "result": value["x"] + value["y"]}
        self.say(200, json.dumps(result, separators=(",", ":")), "application/json")


CALLS = {
    "http-xml": web_service.HttpCalls,
    "http-json": JsonCalls,
    "http-pass": JsonCalls,
    "jsonrpc": JsonRpcCalls,
    "soap": web_service.SoapCalls,
}


def serve(form: str, pem: str) -> None:
    """Be a service until the process is ended."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if pem else None
    if tls is not None:
        tls.load_cert_chain(pem)
    if form == "sodep":
        asyncio.run(serve_sodep(tls))
    web_service.HttpCalls.concurrent = True
    server = web_service.Server(("127.0.0.1", 0), CALLS[form])
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


async def serve_sodep(tls: ssl.SSLContext | None) -> None:
    """Be the service of contrib/redirect/service.py, inside TLS if that is wanted."""
    loop = asyncio.get_running_loop()
    make = sodep_service.CallerConnection
    server = await loop.create_server(lambda: make("sum"), "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def request(form: str, resource: str) -> bytes:
    """One call, as a Jolie program writes it."""
    if form == "sodep":
        return message(1, resource.encode() or b"/", b"\0\0\0\3sum\0" + encode(SUM))
    body, named = BODIES[form], f"/!{resource}" if resource else ""
    type = web_service.TYPE if form in ("http-xml", "soap") else "application/json"
    lines = {
        "soap": [f"POST {resource or '/'} HTTP/1.1", 'SOAPAction: "/sum"'],
        "jsonrpc": [f"POST {named or '/'} HTTP/1.1"],
        "http-pass": [f"POST {resource}/sum HTTP/1.1"],
    }.get(form, [f"POST {named}{'!' if named else ''}/sum HTTP/1.1", "X-Jolie-Operation: sum"])
    lines += ["Host: localhost", f"Content-Type: {type}", f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


def whole(form: str, data: bytes) -> bool:
    """True if an answer is whole."""
    if form == "sodep":
        return len(data) >= 30
    head, end, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length)


def calls(sock: socket.socket, form: str, data: bytes, end: float) -> int:
    """Call on one connection until the end; how often. RuntimeError for a wrong answer."""
    made = 0
    while perf_counter() < end:
        sock.sendall(data)
        found = sock.recv(65536)
        while found and not whole(form, found):
            found += sock.recv(65536)
        if RESULTS[form] not in found:
            raise RuntimeError(f"a wrong answer: {found[-200:]!r}")
        made += 1
    return made


def load(form: str, port: int, resource: str, args: argparse.Namespace) -> float:
    """The calls a second of so many clients."""
    tls = ssl.create_default_context(cafile=args.tls) if args.tls else None
    data, counts, socks = request(form, resource), list[int](), list[socket.socket]()
    for _ in range(args.clients):
        sock = socket.create_connection(("127.0.0.1", port), 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks.append(tls.wrap_socket(sock, server_hostname="localhost") if tls else sock)
    end = perf_counter() + args.seconds
    threads = [
        threading.Thread(target=lambda one=one: counts.append(calls(one, form, data, end)))
        for one in socks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < args.clients:
        raise RuntimeError("a client has failed")
    return sum(counts) / args.seconds


def main() -> int:
    """Be an end; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ends = parser.add_subparsers(dest="end", required=True)
    for end in ("service", "clients"):
        one = ends.add_parser(end)
        one.add_argument("form", choices=FORMS)
        one.add_argument("--tls", default="", help="a certificate with its key; an authority")
    one.add_argument("port", type=int)
    one.add_argument("resource")
    one.add_argument("clients", type=int)
    one.add_argument("seconds", type=float)
    args = parser.parse_args()
    if args.end == "service":
        serve(args.form, args.tls)
    print(load(args.form, args.port, args.resource, args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
