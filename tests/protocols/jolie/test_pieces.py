import pytest

from ccproxy.protocols.jolie.pieces import LARGE, Pieces, joined, to_write

LONG = b"x" * LARGE


def test_small_parts_are_joined():
    assert joined((b"a", bytearray(b"b"), memoryview(b"cd")[1:])) == b"abd"
    assert joined(()) == b""
    assert to_write(b"ab") == [b"ab"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_large_ones_stay_as_they_are(kind):
    part = kind(LONG)
    inner = joined((b"<", part, b"", b">"))
    whole = joined((b"(", inner, b")", inner))
    assert isinstance(inner, Pieces) and isinstance(whole, Pieces)
    assert (len(inner), len(whole)) == (LARGE + 2, 2 * LARGE + 6)
    assert bytes(whole) == b"(<" + LONG + b">)<" + LONG + b">"
    written = to_write(whole)
    assert b"".join(written) == bytes(whole) and b"" not in written
    assert len(written) == 5
    for one in (written[1], written[3]):
        assert one is part or one.obj is part or memoryview(part).obj is one.obj


def test_small_parts_of_a_large_whole_are_few_pieces():
    parts = [b"%06d" % number * 50 for number in range(2000)]
    whole = joined([*parts, LONG, *parts])
    assert bytes(whole) == b"".join([*parts, LONG, *parts])
    assert max(map(len, whole.parts)) == len(LONG) and len(whole.parts) < 30
