from dataclasses import fields

from ccproxy.client import ClientLimits


def test_each_limit_is_explained():
    for one in fields(ClientLimits):
        assert f"`{one.name}`" in ClientLimits.__doc__, one.name
