"""The options of the registrar: their defaults are those of xMsg, and bounded."""

import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.xmsg.registrar import XmsgRegistrar


def test_nothing_has_to_be_said():
    options = options_for(XmsgRegistrar, "")
    assert options.address == "tcp://*:8888"
    assert (options.state, options.expire) == ("", 0.0)
    assert options.listener is options
    limits = options.limits_of_records
    assert (limits.records, limits.record, limits.bytes) == (200_000, 16 * 1024, 64 << 20)


@pytest.mark.parametrize("line", ["max-records = 2000000", "max-frames = 5000", "max-record = 1"])
def test_limits_have_limits(line):
    with pytest.raises(ValueError, match="expected a (whole number|size)"):
        options_for(XmsgRegistrar, line)
