"""One client of a registrar: requests cut anywhere, envelopes, answers in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack
from ccproxy_handlers.xmsg.requests import RequestSink


class Client:
    """A client whose requests are noted, and answered if `answering`."""

    def __init__(self, answering=True, tired=bool, limits=Limits()):  # noqa: B008
        self.switch = Switch(CODEC, None)
        self.box = Outbox("client", limits)
        self.requests = []
        self.answering = answering
        source = MessageSource(b"\0id", "10.0.0.1:4711", "h:registrar")
        input = PeerInput(source, (1 << 20, 100), tired)
        self.sink = RequestSink(self.switch, input, self.box, self.take)

    def take(self, sink, request):
        self.requests.append(request)
        if self.answering:
            sink.answer(b"me", "success")

    def answers(self):
        data = b"".join(bytes(one) for one in self.box.peek(1000))
        ends = [0, *boundaries(data)]
        return [unpack(data[a:b]) for a, b in zip(ends, ends[1:], strict=False)]


def request(*frames, envelope=()):
    return pack([*envelope, b"", *frames])


def test_an_answer_has_the_envelope_of_its_request():
    client = Client()
    client.sink.feed(request(b"find", b"s", b"x", envelope=(b"hop", b"way")))
    assert client.answers() == [[b"hop", b"way", b"", b"find", b"me", b"success"]]
    assert client.requests[0].action == "find" and client.requests[0].data == b"x"
    assert client.switch.ledger.fates["replied"] == 1 and client.switch.ledger.balance() == 0


@pytest.mark.parametrize("frames", [[b""], [b"a", b"b"], [b"a", b"b", b"c", b"d"], [b"a"] * 50])
def test_what_has_not_three_frames_is_no_proper_request(frames):
    client = Client()
    client.sink.feed(request(*frames))
    assert not client.requests[0].proper
    assert client.answers()[0][1] == b"undefined"


def test_what_has_no_empty_frame_is_malformed():
    client = Client()
    client.switch.notices = type("Notices", (), {"malformed": lambda *args: None})()
    client.sink.feed(pack([b"find", b"s", b"x"]))
    assert not client.requests and client.switch.ledger.fates["malformed"] == 1


def test_a_long_action_comes_back_in_part_and_any_bytes_are_one():
    client = Client()
    client.sink.feed(request(b"\xff" * 1000, b"s", b"x"))
    assert client.answers()[0][1] == b"\xff" * 200
    assert client.requests[0].action == "\ufffd" * 200


@given(st.lists(st.integers(1, 40), max_size=10))
def test_requests_may_be_cut_anywhere(cuts):
    client = Client()
    data = b"".join(request(b"a%d" % number, b"s", b"x") for number in range(5))
    rest = b""
    for size in [*cuts, len(data)]:
        rest, data = rest + data[:size], data[size:]
        done, stop, _ = client.sink.feed(rest)
        assert stop == MORE
        rest = rest[done:]
    assert [one[1] for one in client.answers()] == [b"a%d" % number for number in range(5)]


def test_the_next_request_waits_for_the_answer():
    client = Client(answering=False)
    first, second = request(b"1", b"s", b""), request(b"2", b"s", b"")
    assert client.sink.feed(first + second) == (len(first), BLOCKED, (client.sink,))
    assert client.sink.feed(second) == (0, BLOCKED, (client.sink,))
    called = []
    client.sink.wait(lambda: called.append(1))
    assert client.sink.blocked and not called
    assert client.switch.ledger.balance() == 0
    client.sink.answer(b"me", "success")
    assert called == [1]
    client.sink.wait(lambda: called.append(2))
    assert called == [1, 2]
    client.sink.feed(second)
    assert [one.action for one in client.requests] == ["1", "2"]


def test_a_client_that_does_not_read_is_still_read():
    """Its end would not be seen else, and what waits for it would wait for ever."""
    client = Client()
    room = client.sink.room
    client.box.put(bytes(100_000), 1)
    assert client.sink.room == room - 100_000
    one = request(b"1", b"s", b"")
    assert client.sink.feed(one) == (len(one), MORE, ())
    assert client.sink.unread > 100_000


def test_others_have_their_turn():
    client = Client(tired=lambda: True)
    one = request(b"1", b"s", b"")
    assert client.sink.feed(one + one) == (len(one), TIRED, ())
    assert client.sink.feed(one) == (len(one), MORE, ())


def test_an_answer_to_a_client_that_is_gone_has_that_fate():
    client = Client(answering=False)
    client.sink.feed(request(b"1", b"s", b""))
    client.sink.gone = True
    client.sink.answer(b"me", "success")
    assert not client.box.waiting
    assert client.switch.ledger.fates == {"consumed": 0, "gone": 1}


def test_an_answer_that_does_not_fit_is_counted():
    client = Client(limits=Limits(10))
    client.sink.feed(request(b"1", b"s", b""))
    assert client.switch.ledger.fates["full"] == 1 and client.switch.ledger.balance() == 0


def test_addresses_are_without_ports():
    assert Client().sink.address == "10.0.0.1"
