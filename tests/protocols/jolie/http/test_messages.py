import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie.http.messages import (
    BodyTooBig,
    HttpResponse,
    media_type,
    read_text,
    text,
    unpacked,
)
from ccproxy.protocols.jolie.values import Unportable

GZIP = {"content-encoding": "gzip"}
DEFLATE = {"content-encoding": "Deflate"}


def test_content_codings():
    raw = zlib.compressobj(wbits=-15)
    assert unpacked({}, b"abc", 10) == b"abc"
    assert unpacked(GZIP, gzip.compress(b"abc"), 10) == b"abc"
    assert unpacked(DEFLATE, zlib.compress(b"abc"), 10) == b"abc"
    assert unpacked(DEFLATE, raw.compress(b"abc") + raw.flush(), 10) == b"abc"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-encoding": "br"}, b"abc"),
        (GZIP, b"abc"),
        (GZIP, gzip.compress(b"abc", mtime=0)[:-4]),
        (GZIP, gzip.compress(b"abc", mtime=0) + b"more"),
        (GZIP, gzip.compress(bytes(10_000_000), mtime=0)),
        (DEFLATE, b"\x00\xffgarbage"),
        (GZIP, b""),
    ],
)
def test_what_cannot_be_unpacked_is_refused(headers, body):
    with pytest.raises(Unportable):
        unpacked(headers, body, 1000)


@given(st.binary(max_size=40), st.sampled_from([GZIP, DEFLATE]))
@settings(deadline=None)
def test_bytes_of_any_kind_raise_only_the_named_error(body, headers):
    with suppress(Unportable):
        unpacked(headers, body, 1000)


def test_the_text_of_a_packed_body():
    packed = HttpResponse(200, GZIP, gzip.compress(b"[1,2,3,4]"))
    assert result(read_text(packed, 9)) == b"[1,2,3,4]"
    with pytest.raises(BodyTooBig, match="more than 8 bytes"):
        result(read_text(packed, 8))


def test_charsets():
    def typed(value: str) -> dict[str, str]:
        return {"content-type": value}

    assert media_type(typed("Application/JSON; charset=utf-8")) == "application/json"
    assert text({}, "è".encode()) == "è"
    assert text(typed('text/plain; charset="ISO-8859-1"'), b"\xe8") == "è"
    for charset, body in (("utf-8", b"\xe8"), ("rot13", b"a"), ("utf-7", b"a")):
        with pytest.raises(Unportable):
            text(typed(f"text/plain; charset={charset}"), body)
