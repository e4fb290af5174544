"""Answers of services: who gets them, and the fate of each."""

import pytest

from ccproxy.core.answers import AnswerIngress, Requester, RequestIngress
from ccproxy.core.askers import Askers, enveloped
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pool import WorkerPool
from ccproxy.core.runs import MessageSource, PeerInput, Run
from ccproxy.core.stops import MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack

SERVICE = MessageSource(b"service", "peer", "h:out")
LIMITS = (1000, 20)


class Notices:
    def __init__(self):
        self.bad = []

    def malformed(self, sender, raw, messages):
        self.bad.append((sender, raw))


@pytest.fixture
def switch():
    return Switch(CODEC, Notices())


def content(box):
    return b"".join(map(bytes, box.peek(1000)))


def fates(switch):
    assert switch.ledger.balance() == 0
    assert sum(switch.ledger.fate_bytes.values()) == switch.ledger.bytes
    return dict(switch.ledger.fates)


def question(*frames, identity=b"asker"):
    return Run(None, 1, envelopes=pack([identity, b"", b"call", *frames]))


def test_an_answer_goes_to_the_asker_and_others_are_gone(switch):
    askers = Askers()
    box = switch.peers[b"asker"] = Outbox("asker", Limits(messages=3))
    me = MessageSource(b"\0\0\0\0\1", "peer", "in", b"me", box=Outbox("me", Limits()))
    askers.named(Run(me, 1, payloads=pack([b"?"]), head=b"\1\0"))
    name = enveloped(question(b"?"))[2:-3]
    ingress = AnswerIngress(switch, PeerInput(SERVICE, LIMITS), askers)
    data = b"".join(map(pack, [
        [name, b"1"], [name, b"2", b""], [b"me", b"", b"3"], [b"nobody", b"4"], [b"me"], [name],
        [name, b"5"], [name, b"6"],
    ]))  # fmt: skip
    assert ingress.feed(data + b"\0") == (len(data), MORE, ())
    head = [b"", b"call"]
    expected = [[*head, b"1"], [*head, b"2", b""], [*head, b"5"]]
    assert content(box) == b"".join(map(pack, expected))
    assert content(me.box) == pack([b"", b"3"])
    assert fates(switch) == {"replied": 4, "gone": 1, "malformed": 2, "full": 1}
    assert [raw for _, raw in switch.notices.bad] == [b"me", name]


def requesting(switch, pool, name=b"service", resend=False, tired=bool):
    worker = Requester(name, Outbox("service", Limits()), resend)
    pool.join(worker)
    return worker, RequestIngress(switch, PeerInput(SERVICE, LIMITS, tired), worker)


def test_requests_are_in_lock_step(switch):
    pool = WorkerPool(Outbox("h:out", Limits()), enveloped)
    worker, ingress = requesting(switch, pool)
    box = switch.peers[b"asker"] = Outbox("asker", Limits())
    pool.take(question(b"1"))
    pool.take(question(b"2", identity=b"gone"))
    pool.take(question(b"3"))
    early, answer = pack([b"", b"early"]), pack([b"", b"!", b""])
    ingress.feed(early)  # the request has not been sent
    for number in (b"1", b"2", b"3"):
        assert content(worker.box) == pack([b"", number])
        worker.box.advance(len(content(worker.box)))
        ingress.feed(pack([b"no", b"delimiter"]))
        assert ingress.feed(answer) == (len(answer), MORE, ())
    ingress.feed(answer)
    assert content(box) == pack([b"", b"call", b"!", b""]) * 2
    assert fates(switch) == {"replied": 2, "gone": 3, "malformed": 3}


def test_a_service_that_sends_without_end_tires(switch):
    pool = WorkerPool(Outbox("h:out", Limits()), enveloped)
    _, ingress = requesting(switch, pool, tired=lambda: True)
    one = pack([b"", b"x"])
    assert ingress.feed(one * 3) == (len(one), TIRED, ())


@pytest.mark.parametrize(
    ("sent", "resend", "again"), [(0, False, True), (1, False, False), (99, False, False),
                                  (1, True, True), (99, True, True)],
)  # fmt: skip
def test_a_service_that_goes_gives_back_its_request_or_not(switch, sent, resend, again):
    pool = WorkerPool(Outbox("h:out", Limits()), enveloped)
    worker, _ = requesting(switch, pool, b"1", resend)
    pool.take(question(b"1"))
    pool.take(question(b"2"))
    worker.box.advance(min(sent, worker.box.bytes))
    pool.leave(b"1")
    assert pool.returned == again
    other, _ = requesting(switch, pool, b"2")
    assert content(other.box) == pack([b"", b"1" if again else b"2"])


def test_an_idle_service_gives_back_nothing(switch):
    pool = WorkerPool(Outbox("h:out", Limits()), enveloped)
    requesting(switch, pool, b"1", True)
    pool.leave(b"1")
    assert (pool.returned, pool.backlog.waiting) == (0, 0)


@pytest.mark.parametrize("resend", [False, True])
def test_a_service_that_does_not_answer_in_time_keeps_nothing(switch, resend):
    pool, clock = WorkerPool(Outbox("h:out", Limits()), enveloped), [0.0]
    worker = Requester(b"1", Outbox("service", Limits()), resend, lambda: clock[0])
    pool.join(worker)
    ingress = RequestIngress(switch, PeerInput(SERVICE, LIMITS), worker)
    box = switch.peers[b"asker"] = Outbox("asker", Limits())
    assert not worker.overdue(0)
    pool.take(question(b"1"))
    clock[0] = 9.0
    assert not worker.overdue(9)  # nothing of it was sent
    worker.box.advance(1)
    assert worker.overdue(9) and not worker.overdue(9.1)
    worker.box.advance(worker.box.bytes)
    assert worker.overdue(9)
    pool.take_back(worker.give_up())
    assert (pool.returned, pool.backlog.waiting, worker.overdue(0)) == (resend, resend, False)
    pool.take(question(b"2"))
    assert not worker.box.waiting
    ingress.feed(pack([b"", b"late"]))
    first = b"1" if resend else b"2"
    assert content(worker.box) == pack([b"", first])
    worker.box.advance(worker.box.bytes)
    ingress.feed(pack([b"", b"in time"]))
    assert content(box) == pack([b"", b"call", b"in time"])
    assert fates(switch) == {"gone": 1, "replied": 1}


def test_a_late_service_that_goes_has_nothing_to_give_back(switch):
    pool = WorkerPool(Outbox("h:out", Limits()), enveloped)
    worker, _ = requesting(switch, pool, b"1", True)
    pool.take(question(b"1"))
    worker.box.advance(1)
    assert worker.give_up()
    pool.leave(b"1")
    assert (pool.returned, pool.backlog.waiting) == (0, 0)
