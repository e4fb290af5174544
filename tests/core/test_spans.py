"""The door to the hot functions of `walk`."""

import inspect

from ccproxy.core import spans, walk


def test_it_has_every_function():
    functions = inspect.getmembers(walk, inspect.isfunction)
    assert set(spans.__all__) == {name for name, _ in functions}
    assert all(
        getattr(spans, name).__doc__ == getattr(walk, name).__doc__ for name in spans.__all__
    )
