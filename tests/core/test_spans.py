"""The door to the hot functions of `walk`."""

from ccproxy.core import spans, walk


def test_it_has_every_function():
    assert set(spans.__all__) == {"by_topic", "cut", "payloads", "whole"}
    assert all(
        getattr(spans, name).__doc__ == getattr(walk, name).__doc__ for name in spans.__all__
    )
