"""The compiled form of the flush queue is used where there is one."""

import importlib.util

from ccproxy.net import flush, hot, sender, stream

BUILT = importlib.util.find_spec("ccproxy.net._hot") is not None


def test_everything_is_of_one_form():
    form = importlib.import_module("ccproxy.net._hot") if BUILT else hot
    assert (flush.FlushQueue, flush.HotFlush) == (form.FlushQueue, form.HotFlush)
    assert issubclass(stream.Stream, form.HotReader)
    assert issubclass(sender.Sender, form.HotWriter)
