"""What a status shows of a queue."""

from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.outbox import Limits, Outbox
from tests.core.delivery.test_memory_store import made


def test_outboxes_and_stores_are_shown_alike():
    assert isinstance(Outbox("h:far", Limits()), CountedQueue)
    assert isinstance(made(), CountedQueue)
