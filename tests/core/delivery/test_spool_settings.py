"""The settings of a spool are a value: equal ones need no new spool."""

from ccproxy.core.delivery.spool_settings import SpoolSettings


def test_equal_settings_are_equal():
    one, other = (SpoolSettings("/a", 1, "block", True, 0, 0.0) for _ in range(2))
    assert one == other and hash(one) == hash(other)
    assert one != SpoolSettings("/a", 1, "block", False, 0, 0.0)
