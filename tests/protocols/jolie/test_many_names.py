import random

from ccproxy.protocols.jolie import many_names
from ccproxy.protocols.jolie.many_names import FEW, ManyNames


def test_names_are_what_a_dict_would_have():
    names: list[bytes] = []
    known, expected = ManyNames(lambda number: names[number]), {}
    for number in range(20 * FEW):
        name = b"%d" % random.Random(number).randrange(15 * FEW)
        names.append(name)
        assert known.put(name, number) == expected.get(name, -1)
        expected[name] = number
    assert len(known) == len(expected)


def test_equal_marks_are_no_equal_names(monkeypatch):
    """Two names in 2^31 have one mark; here all of them do."""
    monkeypatch.setattr(many_names, "hash", lambda name: 5, raising=False)
    names = [b"%d" % number for number in range(FEW + 300)]
    known = ManyNames(lambda number: names[number])
    assert {known.put(name, number) for number, name in enumerate(names)} == {-1}
    assert [known.put(name, number) for number, name in enumerate(names)] == [*range(len(names))]


def test_memory():
    """A hundred bytes a name would be ten times the text."""
    names = ManyNames(lambda number: b"%d" % number)
    for number in range(100_000):
        names.put(b"%d" % number, number)
    assert sum(8 * len(part) for part in names._parts) <= 33 * 100_000
