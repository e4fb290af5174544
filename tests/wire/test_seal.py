"""The shape of a seal: the numbers of its pieces add up to what was sealed."""

from ccproxy.wire.seal import Seal


class Plain:
    """The simplest one: it changes nothing."""

    def seal(self, data):
        return [(bytes(data), len(data))] if data else []

    held = 0

    def taken(self, data, count):
        return count

    def open(self, data):
        return data


def test_pieces_stand_for_all_of_the_data():
    seal: Seal = Plain()
    for data in (b"", b"abc", memoryview(b"abcdef")):
        assert sum(size for _, size in seal.seal(data)) == len(data)
        assert seal.open(b"".join(piece for piece, _ in seal.seal(data))) == bytes(data)
