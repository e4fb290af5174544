"""The reasons of a stop are different numbers, and 0 is none."""

from ccproxy.core import stops


def test_they_differ():
    values = [value for name, value in vars(stops).items() if name.isupper()]
    assert len(values) == len(set(values)) == 6 and stops.MORE == 0
