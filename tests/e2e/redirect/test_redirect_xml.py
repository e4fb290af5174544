"""XML of attackers on real sockets: a clear refusal, bounded memory, and others are served."""

import gzip
import socket
from contextlib import closing
from pathlib import Path

import pytest

from ccproxy.protocols.jolie.values import Fault, Result, Tree

MILLION = 1_000_000
ENVELOPE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%b</e:Body>'
    b"</e:Envelope>"
)
LAUGHS = b'<!ENTITY a0 "ha">' + b"".join(
    b'<!ENTITY a%d "%b">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 10)
)
HEADS = {
    "http": "POST /!/Sum!/open HTTP/1.1",
    "soap": 'POST /Sum HTTP/1.1\r\nSOAPAction: "/open"',
}
PORTS = {"http": "PORT3", "soap": "PORT8"}


def attacks() -> dict[str, tuple[bytes, bytes, bytes]]:
    """What is in front of an envelope and in it, and what is said of that."""
    return {
        "billion laughs": (b"<!DOCTYPE a [" + LAUGHS + b"]>", b"<a>&a9;</a>", b"DOCTYPE"),
        "an external entity": (
            b'<!DOCTYPE a [<!ENTITY e SYSTEM "http://127.0.0.1:%d/x">]>', b"<a>&e;</a>", b"DOCTYPE",
        ),
        "an external subset": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:%d/x">', b"<a/>", b"DOCTYPE"),
        "a million attributes": (
            b"", b"<a " + b" ".join(b'a%d=""' % one for one in range(MILLION)) + b"/>",
            b"16384 bytes",
        ),
        "a million levels": (b"", b"<a>" * MILLION + b"</a>" * MILLION, b"nested deeper than 256"),
        "two million elements": (
            b"", b"<a>" + b"<b/>" * 2 * MILLION + b"</a>", b"more than 1048576",
        ),
        "a long tag": (b"", b"<" + b"a" * 5 * MILLION + b"/>", b"16384 bytes"),
        "a long comment": (b"", b"<a><!--" + b"x" * 5 * MILLION + b"--></a>", b"16384 bytes"),
        "a control character": (b"", b"<a>&#1;</a>", b"invalid character number"),
    }  # fmt: skip


@pytest.fixture
def server(start, ini, service):
    far = service("sodep", lambda call: Result(Tree(8)))
    return start(ini(Sum={"location": far.location}))


def request(kind: str, body: bytes, *headers: str) -> bytes:
    lines = [HEADS[kind], "Host: localhost", "Content-Type: text/xml; charset=utf-8", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answer(sock: socket.socket) -> bytes:
    """One whole answer; what came if the server closes instead."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = sock.recv(1 << 16)
        if not part:
            return found
        found += part
    head, _, rest = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += sock.recv(1 << 16)
    return head + b"\r\n\r\n" + rest


def connected(server, kind: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.ports[PORTS[kind]]), 60)


def peak(server) -> int:
    """The most bytes of memory that the server has had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def whole(kind: str, prolog: bytes, body: bytes) -> bytes:
    return prolog + (ENVELOPE % body if kind == "soap" else body)


@pytest.mark.parametrize("kind", HEADS)
def test_attacks_are_refused_and_nothing_is_fetched(server, kind, caller, value_of):
    others = caller("sodep")
    assert value_of(others.ask("/Sum")) == 8
    sent = attacks()
    before = peak(server)
    with socket.create_server(("127.0.0.1", 0)) as trap, closing(connected(server, kind)) as sock:
        trap.setblocking(False)
        for what, (prolog, body, text) in sent.items():
            if b"%d" in prolog:
                prolog %= trap.getsockname()[1]
            sock.sendall(request(kind, whole(kind, prolog, body)))
            found = answer(sock)
            assert found.startswith(b"HTTP/1.1 500 "), what
            assert b"IOException" in found and text in found, what
            assert value_of(others.ask("/Sum")) == 8
        with pytest.raises(BlockingIOError):
            trap.accept()
        # The connection is none the worse for it.
        sock.sendall(request(kind, whole(kind, b"", b"<open/>")))
        assert answer(sock).startswith(b"HTTP/1.1 200 ")
    # The largest body has 16 MB; it is held as it came, and once more as a request.
    assert peak(server) - before < 150 << 20
    assert server.stop() == 0
    assert server.ledger()["malformed"] == len(sent)


@pytest.mark.parametrize("kind", HEADS)
def test_limits_hold_for_what_is_unpacked(start, ini, service, kind):
    far = service("sodep")
    text = ini(Sum={"location": far.location})
    server = start(text.replace("type = calc", "type = calc\nmax-message = 100 KiB"))
    body = gzip.compress(whole(kind, b"", b"<a>" + b"x" * MILLION + b"</a>"))
    with closing(connected(server, kind)) as sock:
        sock.sendall(request(kind, body, "Content-Encoding: gzip"))
        found = answer(sock)
    assert found.startswith(b"HTTP/1.1 413 ") and b"unpacked" in found
    assert far.calls == []


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("chunked", [False, True])
def test_requests_that_come_byte_by_byte(server, kind, chunked):
    body = whole(kind, b"", "<open><x>ä&amp;</x></open>".encode())
    data = request(kind, body)
    if chunked:
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        length = b"Content-Length: %d" % len(body)
        data = data.replace(length, b"Transfer-Encoding: chunked").replace(body, chunks)
    with closing(connected(server, kind)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(data)):
            sock.sendall(data[number : number + 1])
        found = answer(sock)
    assert found.startswith(b"HTTP/1.1 200 ") and b">8</" in found


HIDDEN = b"POST /Sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
SMUGGLED = {
    "two lengths": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two content lengths": b"Content-Length: 0\r\nContent-Length: 3\r\n\r\n",
    "a fold": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "LF alone": b"X: y\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"Content-Length : 70\r\n\r\n",
    "another coding": b"Transfer-Encoding: identity\r\n\r\n",
}


def test_no_request_is_hidden_in_one_of_soap(server):
    for what, rest in SMUGGLED.items():
        with closing(connected(server, "soap")) as sock:
            sock.sendall(b"POST /Sum HTTP/1.1\r\nHost: localhost\r\n" + rest + HIDDEN)
            found = b""
            while part := sock.recv(1 << 16):
                found += part
        assert found.split()[1] in (b"400", b"501"), what
        assert found.count(b"HTTP/1.1 ") == 1 and b"<faultstring>IOException" in found, what


def test_a_large_answer_of_a_service_is_bounded(start, ini, service, caller, value_of):
    """What a service sends is no better than what a caller sends."""
    bodies = [b"<a>" * 1000, b"<!DOCTYPE a><a/>", b"<a>" + b"x" * 200_000 + b"</a>", b"\xff"]
    said = []

    def behave(call):
        body = bodies[len(said)]
        said.append(body)
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
        return [(head % len(body)).encode() + body]

    far = service("http", behave)
    start(ini(Sum={"location": far.location, "protocol": "http", "max-message": "100 KiB"}))
    one = caller("sodep")
    for text in ("nested deeper", "DOCTYPE", "more than 102400 bytes", "is not utf-8"):
        answer = one.ask("/Sum")
        assert isinstance(answer, Fault) and text in answer.value.tree().payload
