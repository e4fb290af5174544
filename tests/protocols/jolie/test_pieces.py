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
    for one in (written[2], written[6]):
        assert one is part or one.obj is part or memoryview(part).obj is one.obj
