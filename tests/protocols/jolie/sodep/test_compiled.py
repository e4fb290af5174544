"""The compiled form is used where there is one, and the two are never mixed."""

import importlib.util

import pytest

from ccproxy.protocols.jolie.sodep import compiled, fastpath, hot, reader, scan, sides

BUILT = importlib.util.find_spec("ccproxy.protocols.jolie.sodep._fastpath") is not None


def test_everything_is_of_one_form():
    records = [name for name in compiled.__all__ if name not in ("MessageCutter", "scan")]
    expected = fastpath
    if BUILT:
        expected = importlib.import_module("ccproxy.protocols.jolie.sodep._fastpath")
    assert all(getattr(compiled, name) is getattr(expected, name) for name in records)


def test_its_users_have_the_same_functions():
    assert (hot.forward, hot.deliver) == (compiled.forward, compiled.deliver)
    assert issubclass(reader.SodepReader, compiled.MessageCutter)
    assert issubclass(sides.SodepCaller, sides.HotCaller)
    assert issubclass(sides.SodepService, sides.HotService)


@pytest.mark.skipif(not BUILT, reason="ccproxy.protocols.jolie.sodep._fastpath is not built")
def test_the_compiled_form_is_not_the_plain_one():
    assert compiled.forward is not fastpath.forward
    assert compiled.scan is not scan.scan
    assert sides.HotCaller is not hot.HotCaller
