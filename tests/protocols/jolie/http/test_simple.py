"""What is read and written here is what h11 reads and writes, byte by byte; of the rest nothing."""

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http import (
    HttpClient,
    HttpLimits,
    HttpServer,
    RefusedRequest,
    Sending,
    client,
    server,
)
from ccproxy.protocols.jolie.http.heads import ambiguous
from ccproxy.protocols.jolie.http.messages import header_map
from ccproxy.protocols.jolie.http.simple import (
    LONGEST_BODY,
    LONGEST_HEAD,
    read_request,
    read_response,
    write_request,
    write_response,
)
from ccproxy.protocols.jolie.json_check import LARGE

LIMITS = HttpLimits(head=2000, body=100, ahead=4000)
REQUEST = b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\n\r\n"
END = b"\r\n\r\n"

NOT_SIMPLE = {
    "a part": REQUEST[:-1],
    "no Host": REQUEST.replace(b"Host: h\r\n", b""),
    "two Hosts": REQUEST.replace(b"Host: h", b"Host: h\r\nhost: h"),
    "an empty Host": REQUEST.replace(b"Host: h", b"Host: "),
    "two lengths": REQUEST.replace(b": 2", b": 2\r\nContent-Length: 2"),
    "two lengths that differ": REQUEST.replace(b": 2", b": 2\r\ncontent-length: 3"),
    "two lengths in one": REQUEST.replace(b": 2", b": 2, 2"),
    "a length with a sign": REQUEST.replace(b": 2", b": +2"),
    "a length of blanks": REQUEST.replace(b": 2", b":  2"),
    "a length with a blank behind": REQUEST.replace(b": 2", b": 2 "),
    "a length in hexadecimal": REQUEST.replace(b": 2", b": 0x2"),
    "a length in other digits": REQUEST.replace(b": 2", ": ٢".encode()),
    "a length that is too large": REQUEST.replace(b": 2", b": 101"),
    "a length of very many digits": REQUEST.replace(b": 2", b": " + b"0" * 30 + b"2"),
    "chunks": REQUEST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    "chunks and a length": REQUEST.replace(b": 2", b": 2\r\ntransfer-encoding: chunked"),
    "chunks by another name": REQUEST.replace(b": 2", b": 2\r\nTransfer-Encoding : chunked"),
    "a blank behind a name": REQUEST.replace(b"Host:", b"Host :"),
    "no blank behind a colon": REQUEST.replace(b"Host: h", b"Host:h"),
    "a tab": REQUEST.replace(b"Host: h", b"Host:\th"),
    "a tab inside": REQUEST.replace(b"Host: h", b"Host: h\r\nX: a\tb"),
    "a fold": REQUEST.replace(b"Host: h", b"Host: h\r\nX: a\r\n b"),
    "a line with LF": REQUEST.replace(b"Host: h\r\n", b"Host: h\n"),
    "a line with CR": REQUEST.replace(b"Host: h\r\n", b"Host: h\rX: y\r\n"),
    "LF at the end": REQUEST[:-4] + b"\n\n",
    "NUL": REQUEST.replace(b"Host: h", b"Host: h\0"),
    "no ASCII": REQUEST.replace(b"Host: h", "Host: h\r\nX: é".encode()),
    "no colon": REQUEST.replace(b"Host: h", b"Host: h\r\nX"),
    "a line in front": b"\r\n" + REQUEST,
    "two blanks": REQUEST.replace(b"POST ", b"POST  "),
    "a blank in the target": REQUEST.replace(b"/sum", b"/s um"),
    "no target": REQUEST.replace(b"/sum ", b""),
    "another version": REQUEST.replace(b"1.1", b"1.0"),
    "a newer version": REQUEST.replace(b"1.1", b"1.2"),
    "HEAD": REQUEST.replace(b"POST", b"HEAD"),
    "CONNECT": REQUEST.replace(b"POST", b"CONNECT"),
    "a method in small letters": REQUEST.replace(b"POST", b"post"),
    "a caller that waits": REQUEST.replace(b"Host: h", b"Host: h\r\nExpect: 100-continue"),
    "an upgrade": REQUEST.replace(b"Host: h", b"Host: h\r\nUpgrade: h2c"),
    "the last one": REQUEST.replace(b"Host: h", b"Host: h\r\nConnection: close"),
    "the last one in a list": REQUEST.replace(b"Host: h", b"Host: h\r\nConnection: x, close"),
    "a long head": REQUEST.replace(b"Host: h", b"Host: h\r\nX: " + b"y" * 2000),
}


def test_the_simplest_request_and_response():
    found = read_request(REQUEST + b"{}more", LIMITS)
    assert found is not None
    assert (found.method, found.target, found.size, found.length) == (
        "POST", "/sum", len(REQUEST), 2,
    )  # fmt: skip
    assert found.headers == {"host": "h", "content-length": "2"}
    answer = read_response(bytearray(RESPONSE), LIMITS)
    assert answer is not None
    assert (answer.status, answer.size, answer.length) == (200, len(RESPONSE), 2)
    assert answer.headers == {"server": "s", "content-length": "2"}


@pytest.mark.parametrize("what", NOT_SIMPLE)
def test_everything_else_is_left_to_h11(what):
    assert read_request(NOT_SIMPLE[what], LIMITS) is None


@pytest.mark.parametrize(
    "data",
    [
        RESPONSE[:-1],
        RESPONSE.replace(b"1.1", b"1.0"),
        RESPONSE.replace(b"200", b"100"),
        RESPONSE.replace(b"200", b"101"),
        RESPONSE.replace(b"200", b"204"),
        RESPONSE.replace(b"200", b"304"),
        RESPONSE.replace(b"200", b"600"),
        RESPONSE.replace(b"OK", b"\t"),
        RESPONSE.replace(b"Content-Length: 2\r\n", b""),
        RESPONSE.replace(b": 2", b": 101"),
        RESPONSE.replace(b": 2", b": 2\r\nConnection: close"),
        RESPONSE.replace(b": 2", b": 2\r\nTransfer-Encoding: chunked"),
        RESPONSE.replace(b": 2", b": 2\r\nSet-Cookie: a\r\nSet-Cookie: b"),
        RESPONSE.replace(b"\r\n", b"\n"),
    ],
)
def test_so_are_other_responses(data):
    assert read_response(data, LIMITS) is None


def test_what_is_large_is_left_to_h11():
    limits = HttpLimits()
    assert read_request(b"GET / HTTP/1.1\r\nHost: " + b"h" * LONGEST_HEAD + END, limits) is None
    for size, simple in ((LONGEST_BODY, True), (LONGEST_BODY + 1, False)):
        head = REQUEST.replace(b": 2", b": %d" % size)
        assert (read_request(head, limits) is not None) == simple


names = st.sampled_from(
    [b"Host", b"host", b"Content-Length", b"content-length", b"Connection", b"X", b"x", b"Accept",
     b"Transfer-Encoding", b"Expect", b"Upgrade", b"X-Y", b"Content-Type", b"", b"A b", b"\xe9"]
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [b"h", b"0", b"2", b"2", b"02", b"2 ", b"200", b"close", b"keep-alive", b"Keep-Alive", b"",
         b"chunked", b"100-continue", b"h2c", b"a b", b"a\tb", b"a\0", b"\xe9", b"a\r\n b", b"2,2"]
    ),
    st.binary(max_size=4),
)  # fmt: skip
colons = st.sampled_from([b": "] * 8 + [b":", b" : ", b":  ", b""])
ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b""])
lines = st.builds(lambda *parts: b"".join(parts), names, colons, values, ends)
methods = st.sampled_from([b"POST"] * 5 + [b"GET", b"PUT", b"HEAD", b"CONNECT", b"post", b"P T"])
targets = st.sampled_from(
    [b"/sum"] * 5 + [b"*", b"/!/a!/b", b"http://i/", b"http://i@h/", b"h:1", b"", b"/\xe9", b"/a b"]
)
versions = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"])
statuses = st.sampled_from([b"200"] * 5 + [b"500", b"204", b"304", b"100", b"101", b"600", b"20"])
reasons = st.sampled_from([b" OK"] * 5 + [b"", b" ", b" a b", b" \t", b" \xe9"])
bodies = st.sampled_from([b"{}"] * 6 + [b"", b"{", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"])
usual = st.sampled_from([b"Host: h\r\nContent-Length: 2\r\n"] * 6 + [b"Host: h\r\n", b""])


def message(first: bytes, front: bytes, more: list[bytes], body: bytes) -> bytes:
    return b"".join([first, b"\r\n", front, *more, b"\r\n", body])


request_lines = st.builds(lambda *parts: b" ".join(parts), methods, targets, versions)
requests = st.builds(message, request_lines, usual, st.lists(lines, max_size=3), bodies)
fronts = st.sampled_from([b""] * 5 + [b"\r\n", b"\r\n\r\n", b"\r\n" * 5, b"\n", b"\r"])
ahead = st.builds(lambda front, data: front + data, fronts, requests)
status_lines = st.builds(
    lambda *parts: b" ".join(parts[:2]) + parts[2], versions, statuses, reasons
)
responses = st.builds(message, status_lines, usual, st.lists(lines, max_size=3), bodies)
cuts = st.lists(st.integers(0, 200), max_size=4)


@given(requests)
@example(REQUEST + b"{}")
@settings(max_examples=500, deadline=None)
def test_what_is_read_as_a_request_is_what_h11_reads(data):
    found = read_request(data, LIMITS)
    if found is None:
        return
    head = data[: found.size]
    assert ambiguous(head) is None
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head + b"x" * found.length)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method.decode(), request.target.decode()) == (found.method, found.target)
    assert header_map(request.headers) == found.headers
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage) and len(body) == found.length
    assert connection.trailing_data == (b"", False)
    assert not connection.they_are_waiting_for_100_continue
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.start_next_cycle()


@given(responses)
@example(RESPONSE + b"{}")
@settings(max_examples=500, deadline=None)
def test_what_is_read_as_a_response_is_what_h11_reads(data):
    found = read_response(data, LIMITS)
    if found is None:
        return
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data[: found.size] + b"x" * found.length)
    response = connection.next_event()
    assert isinstance(response, h11.Response) and response.status_code == found.status
    assert header_map(response.headers) == found.headers
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage) and len(body) == found.length
    connection.start_next_cycle()


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(one for one in at if one < len(data))})
    return [data[start:end] for start, end in zip(ends, ends[1:], strict=False)]


def served(parts: list[bytes]) -> list[object]:
    """All that a server shows while it gets these bytes."""
    one, seen = HttpServer(LIMITS), list[object]()
    for part in parts:
        while (found := one.feed(part)) is not None:
            part = b""
            refused = isinstance(found, RefusedRequest)
            seen.append(found.status if refused else (*found[:2], dict(found.headers), found.body))
            seen.append(one.waiting)
            one.respond(Sending((("X", "y"),), b"answer", found.status if refused else 200))
        seen += [b"".join(one.out()), one.closing, bool(one.broken), one.too_big, one.pending()]
    one.eof()
    return [*seen, one.closing]


@given(st.lists(ahead, min_size=1, max_size=3), cuts)
@settings(max_examples=400, deadline=None)
def test_a_server_is_the_same_with_h11_alone(data, at):
    parts = pieces(b"".join(data), at)
    with pytest.MonkeyPatch.context() as patch:
        mixed = served(parts)
        patch.setattr(server, "read_request", lambda *_: None)
        assert mixed == served(parts)


def answered(parts: list[bytes], ended: bool) -> list[object]:
    """All that a client shows while it gets these bytes as responses, and then perhaps the end."""
    one, seen = HttpClient(LIMITS), list[object]()
    ask = Sending((("Host", "h"),), b"{}", target="/sum")
    seen.append(b"".join(one.send(ask)))
    for part in parts:
        found = one.feed(part)
        if found is not None:
            seen.append((found.status, dict(found.headers), found.body))
            if not (one.closing or one.broken):
                seen.append(b"".join(one.send(ask)))
        seen += [one.closing, one.broken]
    if ended:
        last = one.eof()
        seen += [last, one.closing, one.broken]
    return seen


@given(st.lists(responses, min_size=1, max_size=3), cuts, st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_client_is_the_same_with_h11_alone(data, at, ended):
    parts = pieces(b"".join(data), at)
    with pytest.MonkeyPatch.context() as patch:
        mixed = answered(parts, ended)
        patch.setattr(client, "write_request", lambda *_: None)
        patch.setattr(client, "read_response", lambda *_: None)
        assert mixed == answered(parts, ended)


texts = st.text(st.characters(max_codepoint=255), max_size=5)
free = st.one_of(st.sampled_from(["X", "X-Y", "a b", "", "é"]), texts).filter(
    # Those of the framing are never written by a caller.
    lambda name: name.lower() not in ("host", "connection", "content-length")
)
pairs = st.lists(st.tuples(free, texts), max_size=3)


def written(connection: h11.Connection, make, headers, body: bytes) -> bytes | None:
    """What h11 writes, None if it refuses to."""
    try:
        raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
        parts = [connection.send(make(raw))]
        if body:
            parts.append(connection.send(h11.Data(data=body)))
        return b"".join([*parts, connection.send(h11.EndOfMessage())])
    except (h11.LocalProtocolError, UnicodeEncodeError):
        return None


def joined(pieces: list[bytes | memoryview] | None) -> bytes | None:
    return None if pieces is None else b"".join(pieces)


@given(pairs, st.sampled_from(["/", "/sum", "", "/a b", "*"]), st.binary(max_size=3))
@settings(max_examples=300, deadline=None)
def test_what_is_written_as_a_request_is_what_h11_writes(headers, target, body):
    headers = [("Host", "h"), *headers]
    expected = written(
        h11.Connection(h11.CLIENT),
        lambda raw: h11.Request(method="POST", target=target, headers=raw),
        [*headers, ("Content-Length", f"{len(body)}")],
        body,
    )
    assert joined(write_request("POST", target, headers, body)) == expected


@given(pairs, st.sampled_from([200, 204, 405, 500]), st.binary(max_size=3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_is_written_as_a_response_is_what_h11_writes(headers, status, body, last):
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(REQUEST + b"{}")
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass
    framing = [] if status == 204 else [("Content-Length", f"{len(body)}")]
    if last:
        framing.append(("Connection", "close"))
    expected = written(
        connection,
        lambda raw: h11.Response(status_code=status, headers=raw),
        [*headers, *framing],
        body,
    )
    assert joined(write_response(status, headers, body, last)) == expected


def test_no_request_of_another_method_is_written():
    assert write_request("HEAD", "/", [("Host", "h")], b"") is None


def test_a_large_body_is_not_copied():
    body = memoryview(bytes(LARGE + 1))
    for pieces in (
        write_request("POST", "/", [("Host", "h")], body),
        write_response(200, [], body),
    ):
        assert pieces is not None and len(pieces) == 2 and pieces[1] is body
    assert len(write_response(200, [], bytes(LARGE)) or ()) == 1
