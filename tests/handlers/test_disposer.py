from ccproxy import Discard
from ccproxy.testing import run_handler
from ccproxy_handlers.disposer import Disposer


def test_every_type_is_discarded_without_being_read():
    with run_handler(Disposer) as disposer:
        assert disposer.handler.decide("any.type") == Discard("disposed")
        assert disposer.send("drop") == []
