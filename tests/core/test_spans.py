"""The door to the hot functions of `walk`, `addresses` and `heads`."""

import inspect

from ccproxy.core import addresses, heads, spans, walk


def test_it_has_every_function():
    functions = {
        name: one
        for module in (addresses, heads, walk)
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__
    }
    assert set(spans.__all__) == functions.keys()
    assert all(getattr(spans, name).__doc__ == one.__doc__ for name, one in functions.items())
