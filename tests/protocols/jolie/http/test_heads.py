import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http import heads
from ccproxy.protocols.jolie.http.messages import RefusedRequest

LINE = b"POST /sum HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\n", 0),
        (b"GET / HTTP/1.1\r\n\r", 0),
        (b"GET / HTTP/1.1\r\n\r\nbody\r\n\r\n", 18),
        (b"GET / HTTP/1.1\n\r\n", 17),
        (b"GET / HTTP/1.1\n\nGET", 16),
        (b"a\r\nb\n\nc\r\n\r\n", 6),
    ],
)
def test_the_end_is_where_h11_sees_it(data, end):
    assert heads.end_of(bytearray(data), 0) == end
    for seen in range(len(data)):
        if not heads.end_of(bytearray(data[:seen]), 0):
            assert heads.end_of(bytearray(data), seen) == end


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_reader_takes_one_head_and_leaves_what_is_behind_it(size):
    reader, data, found = heads.HeadReader(1000), bytearray(), []
    head = LINE + b"Host: h\r\n\r\n"
    sent = head + head + b"nonsense\n\n"
    for at in range(0, len(sent), size):
        data += sent[at : at + size]
        while len(found) < 3 and (one := reader.take(data)) is not None:
            found.append(one)
    assert found[:2] == [head, head]
    assert isinstance(found[2], RefusedRequest) and found[2].status == 400
    assert data == b"nonsense\n\n"


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize("count", range(heads.MAX_EMPTY_LINES + 2))
def test_so_many_empty_lines_in_front_of_each_request_are_ignored(count, size):
    reader, data, found = heads.HeadReader(1000), bytearray(), []
    head = LINE + b"Host: h\r\n\r\n"
    sent = (b"\r\n" * count + head) * 2
    for at in range(0, len(sent), size):
        data += sent[at : at + size]
        reader.skip(data)
        while not any(isinstance(one, RefusedRequest) for one in found):
            if (one := reader.take(data)) is None:
                break
            found.append(one)
            reader.skip(data)
    if count <= heads.MAX_EMPTY_LINES:
        assert found == [head, head] and not data
    else:
        assert [one.status for one in found] == [400]


@pytest.mark.parametrize(
    "front", [b"\n", b"\r\r\n", b"\r ", b" \r\n", b"\n\r\n", b"\r\n\n", b"\rG"]
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_an_empty_line_is_cr_and_lf_and_nothing_else(front, size):
    reader, data, found = heads.HeadReader(1000), bytearray(), None
    sent = front + LINE + b"Host: h\r\n\r\n"
    for at in range(0, len(sent), size):
        data += sent[at : at + size]
        reader.skip(data)
        found = found or reader.take(data)
    assert isinstance(found, RefusedRequest) and found.status == 400


def test_half_an_empty_line_is_no_request_and_is_not_refused():
    reader, data = heads.HeadReader(1000), bytearray(b"\r")
    reader.skip(data)
    assert reader.take(data) is None and data == b"\r"
    data += b"\n"
    reader.skip(data)
    assert not data


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 0),
        (b"G" * 100, 0),
        (b"G" * 101, 414),
        (b"G" * 98 + b"\r\n" + b"x", 431),
        (b"\0\0", 400),
        (b"\x16\3\1", 400),
        (b"\r\nGET", 400),
    ],
)
def test_what_can_be_said_before_the_end(data, status):
    found = heads.unfinished(bytearray(data), 100)
    assert (found.status if found else 0) == status


def test_a_request_line_and_the_number_of_headers_have_limits():
    """What is done with them takes time for each slash and each header."""
    limit = 1 << 20
    for size, status in ((8192, 0), (8193, 414)):
        found = heads.unfinished(b"GET /" + b"/" * (size - 5), limit)
        assert (found.status if found else 0) == status
    for count, status in ((256, 0), (257, 431)):
        found = heads.ambiguous(LINE + b"a:\r\n" * count + b"\r\n")
        assert (found.status if found else 0) == status


FINE = [
    LINE + b"\r\n",
    LINE + b"Host: h\r\nContent-Length: 4\r\n\r\n",
    LINE + b"Transfer-Encoding: chunked\r\n\r\n",
    LINE + b"X-Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    LINE.replace(b"1.1", b"1.0") + b"Content-Length: 4\r\n\r\n",
    LINE.replace(b"1.1", b"1.2") + b"Transfer-Encoding: chunked\r\n\r\n",
]
AMBIGUOUS = {
    "two lengths": (LINE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "the same in other letters": (LINE + b"TRANSFER-ENCODING: x\r\ncontent-length:1\r\n\r\n", 400),
    "chunked in 1.0": (LINE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n", 400),
    "a fold": (LINE + b"X: a\r\n b\r\n\r\n", 400),
    "a fold by a tab": (LINE + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n", 400),
    "LF": (LINE + b"X: a\nY: b\r\n\r\n", 400),
    "LF at the end": (LINE + b"X: a\r\n\n", 400),
    "CR": (LINE + b"X: a\rY: b\r\n\r\n", 400),
    "CR CR LF": (LINE + b"X: a\r\r\n\r\n", 400),
    "another version": (b"PRI * HTTP/2.0\r\n\r\n", 505),
}


@pytest.mark.parametrize("head", FINE)
def test_what_everybody_reads_alike(head):
    assert heads.ambiguous(head) is None


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_somebody_may_read_otherwise(what):
    head, status = AMBIGUOUS[what]
    found = heads.ambiguous(head)
    assert isinstance(found, RefusedRequest) and found.status == status


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_never_raise(data):
    heads.end_of(bytearray(data), 0)
    heads.unfinished(bytearray(data), 20)
    heads.ambiguous(data + b"\r\n\r\n")


def test_what_a_head_that_cannot_be_read_says_of_the_form_of_its_caller():
    head = (
        b"POST / HTTP/1.1\r\nX: a\nCONTENT-TYPE:  text/xml; a=b \r\nSoapAction:x\r\nAccept: y\r\n"
    )
    assert heads.told(bytearray(head)) == {
        "content-type": "text/xml; a=b", "soapaction": "x", "accept": "y",
    }  # fmt: skip
    assert heads.told(b"") == heads.told(b"\x16\x03\x01") == {}
    far = b"a" * heads._FORM_BYTES + b"\r\nAccept: y\r\n"
    assert heads.told(far) == {}
