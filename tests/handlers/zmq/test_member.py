"""A pool of workers as a member of a group."""

from ccproxy import Limits, Outbox
from ccproxy.core.pool import WindowWorker, WorkerPool
from ccproxy.core.runs import Run
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.zmq.member import PoolMember


def member():
    return PoolMember(WorkerPool(Outbox("h:p", Limits(2048, 3))), "payload")


def worker(name):
    return WindowWorker(name, Outbox("peer", Limits(10_000, 1000, "block")))


def test_it_is_up_while_there_is_a_worker():
    made = member()
    news = []
    tell = lambda: news.append(made.state)  # noqa: E731 - the same object is needed twice
    made.watch(tell)
    assert (made.state, made.reason) == ("no-workers", "no worker is connected")
    made.sink.join(worker(b"1"))
    assert (made.state, made.reason) == ("up", "")
    made.sink.leave(b"1")
    assert news == ["up", "no-workers"]
    for _ in range(2):
        made.unwatch(tell)
    made.sink.join(worker(b"1"))
    assert len(news) == 2


def test_what_no_worker_has_goes_to_another_pool_whose_workers_get_it_at_once():
    one, two = member(), member()
    one.sink.take(Run(None, 3, pack([b"x"]) * 3))
    assert one.waiting == (3, 9) and not one.has_room(1, 1) and two.has_room(2048, 3)
    mine = worker(b"2")
    two.sink.join(mine)
    two.put_all(one.give_back(100))
    assert mine.box.waiting == 3 and one.waiting == two.waiting == (0, 0)
