"""Forms in parts: texts and files, cut off and broken ones, and boundaries inside of parts."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.http.multipart import MAX_PARTS, WINDOW, read
from ccproxy.protocols.jolie.values import Tree, Unportable

HEADERS = {"content-type": "multipart/form-data; boundary=XX"}


def part(content: bytes, *parameters: str, more: str = "") -> bytes:
    words = "".join(f"; {one}" for one in parameters)
    head = f"\r\nContent-Disposition: form-data{words}\r\n{more}\r\n"
    return b"--XX" + head.encode() + content + b"\r\n"


def form(*parts: bytes, end: bytes = b"--XX--\r\n") -> Tree:
    return result(read(HEADERS, b"".join(parts) + end)).tree()


def test_texts_and_files():
    found = form(
        part("ä".encode(), 'name="x"'),
        part(b"2", 'name="x"', more="Content-Type: text/plain\r\n"),
        part(b"\x00\r\n--X\xff", 'name="f"', 'filename="a.bin"'),
        part(b"", 'name="e \\" q"'),
    )
    assert found == Tree(
        None,
        {"x": [Tree("ä"), Tree("2")], "f": [Tree(b"\x00\r\n--X\xff")], 'e " q': [Tree("")]},
    )
    assert form() == Tree()
    quoted = {"content-type": 'Multipart/Form-Data; charset=utf-8; BOUNDARY="X X"'}
    body = part(b"1", 'name="x"').replace(b"--XX", b"--X X") + b"--X X--"
    assert result(read(quoted, body)).tree() == Tree(None, {"x": [Tree("1")]})


def test_a_large_file_is_searched_in_steps():
    content = b"\r\n--X" * (3 * WINDOW // 5)
    body = part(content, 'name="f"', 'filename=""') + b"--XX--"
    assert sum(1 for _ in read(HEADERS, body)) >= 3
    assert result(read(HEADERS, body)).tree().children["f"][0].payload == content


def test_a_boundary_at_the_edge_of_a_window():
    for size in range(WINDOW - 90, WINDOW + 2):
        body = part(b"x" * size, 'name="f"') + b"--XX--"
        assert len(result(read(HEADERS, body)).tree().children["f"][0].payload) == size


WRONG = {
    "does not begin": b"x--XX--",
    "cut off": part(b"1", 'name="x"'),
    "without an end of its headers": b"--XX\r\nX: y\r\n--XX--",
    "its name": part(b"1") + b"--XX--",
    "is not utf-8": part(b"\xff", 'name="x"') + b"--XX--",
    "followed by other bytes": b"--XXY\r\n\r\n\r\n--XX--",
    "more than 1024 parts": part(b"", 'name="x"') * (MAX_PARTS + 1) + b"--XX--",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_broken(text):
    with pytest.raises(Unportable, match=text):
        result(read(HEADERS, WRONG[text]))


def test_the_boundary_has_to_be_given():
    for type in ("multipart/form-data", f"multipart/form-data; boundary={'x' * 71}"):
        with pytest.raises(Unportable, match="without a boundary"):
            result(read({"content-type": type}, b""))
