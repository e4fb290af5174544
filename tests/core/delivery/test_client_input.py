"""The input of a client with receipts: numbers, words and other messages in one stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.delivery.client_input import HEAD_SIZE, MARK, WORD_MAX, ClientInput
from ccproxy.core.delivery.confirmations import Confirmations
from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.flows import Flow, Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.rights import ALL_RIGHTS, PeerAccess
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, COMMAND, MORE, TIRED, TOO_BIG
from ccproxy.core.switch import Switch
from ccproxy.core.taps import Places
from ccproxy.core.verdict import Refuse
from ccproxy.testing.links import CODEC
from ccproxy.wire.receipts import WORD, Announcement, Forget, encode, number_frame
from ccproxy.wire.zmtp import ZmtpError, command
from ccproxy.wire.zmtp.delivery import Nack, SourceId
from ccproxy.wire.zmtp.frames import boundaries, frame, pack
from tests.core.delivery.test_numbered import Accepting, Silent
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch

EPOCH = 5
SOURCE = SourceId(b"P" * 16, EPOCH)
TOKEN = b"12345678"
NEXT = pack(encode(Announcement(EPOCH, 1, TOKEN)))


class Stopped:
    """A destination whose senders have to wait."""

    name = "stopped"
    may_block = True

    def __init__(self, blocked=True):
        self.blocked = blocked
        self.chunks = []

    def offer(self, chunk, messages, receipt=None):
        self.chunks.append(chunk)
        return messages


class Client:
    """The input of a client, what it has heard and what went on."""

    def __init__(self, target=None, limits=BOUNDS, **options):
        self.box = Box(10**9)
        self.switch = FakeSwitch(target or Target((self.box,)))
        self.link = RememberedLink(SOURCE)
        self.link.tracker.confirmations = Confirmations()
        self.link.begin(SOURCE, "peer", "listener")
        self.words, self.gaps = [], 0
        source = MessageSource(PEER, "1.2.3.4:5", "ccserver", **options)
        input = PeerInput(source, limits)
        self.input = ClientInput(self.switch, input, self.link, self.obey, self.lost)

    def obey(self, word):
        self.words.append(word)
        if isinstance(word, Announcement):
            self.link.announced(MessageNumber(word.epoch, word.number))
            self.input.announced = True

    def lost(self):
        self.gaps += 1
        self.input.announced = False

    def feed(self, data, size=0):
        """Give the bytes to the input as a connection does, `size` at a time."""
        rest = b""
        size = size or len(data) or 1
        for at in range(0, len(data), size):
            rest += data[at : at + size]
            done, stop, _ = self.input.feed(rest)
            assert stop == MORE
            rest = rest[done:]
        assert not rest
        return self

    @property
    def passed(self):
        """The messages that went on, without the prefix that names the client."""
        data = b"".join(self.box.chunks).replace(frame(PEER, more=True), b"")
        return [data[a:b] for a, b in pairs([0, *boundaries(data)])]

    @property
    def acks(self):
        return self.link.tracker.confirmations.behind(None)


def pairs(ends):
    return zip(ends[:-1], ends[1:], strict=True)


def plain(text=b"x", *route):
    return pack([*route, b"", b"data", text])


def numbered(number, text=b"x", *route):
    return pack([number_frame(number), *route, b"", b"data", text])


def test_messages_with_numbers_go_on_without_them():
    client = Client().feed(NEXT + numbered(1, b"a") + numbered(2, b"b", b"Q1") + plain(b"c"))
    assert client.passed == [plain(b"a"), plain(b"b", b"Q1"), plain(b"c")]
    assert (client.link.next, client.switch.fates()) == ((EPOCH, 3), {"forwarded": 3})
    assert [(ack.number, ack.kind) for ack in client.acks] == [(2, "handed")]


def test_what_comes_before_the_number_is_announced_was_written_for_another_connection():
    client = Client().feed(numbered(1) + numbered(2) + NEXT + numbered(1, b"a"))
    assert client.passed == [plain(b"a")]
    assert client.switch.fates() == {"duplicate": 2, "forwarded": 1}
    assert (client.link.duplicates, client.gaps) == (0, 0)


def test_a_number_that_was_here_is_a_duplicate():
    client = Client().feed(NEXT + numbered(1, b"a") + numbered(1, b"b") + numbered(2, b"c"))
    assert client.passed == [plain(b"a"), plain(b"c")]
    assert (client.link.duplicates, client.gaps) == (1, 0)
    client.feed(pack(encode(Announcement(EPOCH, 1, TOKEN))) + numbered(1) + numbered(2))
    client.feed(numbered(3, b"d"))
    assert client.passed[2:] == [plain(b"d")]
    assert client.link.duplicates == 3


def test_behind_a_gap_nothing_is_taken_until_the_number_is_announced_anew():
    client = Client().feed(NEXT + numbered(1, b"a") + numbered(3, b"c") + numbered(2, b"b"))
    assert (client.passed, client.gaps, client.link.next) == ([plain(b"a")], 1, (EPOCH, 2))
    client.feed(plain(b"p") + pack(encode(Announcement(EPOCH, 2, TOKEN))) + numbered(2, b"b"))
    assert client.passed[1:] == [plain(b"p"), plain(b"b")]
    assert client.switch.fates() == {"forwarded": 3, "duplicate": 2}


def test_what_a_client_has_withdrawn_is_a_gap_that_it_announces():
    client = Client().feed(NEXT + numbered(1))
    client.feed(pack(encode(Announcement(EPOCH, 5, TOKEN))) + numbered(5))
    assert (client.link.gaps, client.acks[-1].number, len(client.passed)) == (3, 5, 2)


def test_words_are_obeyed_in_their_place():
    client = Client().feed(pack(encode(Forget())) + NEXT)
    assert client.words == [Forget(), Announcement(EPOCH, 1, TOKEN)]
    assert client.switch.fates() == {}


@pytest.mark.parametrize(
    "frames",
    [
        [WORD, b"next"], [WORD, b"next", b"1", b"2", TOKEN], [WORD, b"odd"], [WORD, b"next", b""],
        [WORD, b"next", bytes(8), bytes(8), b"short"], [WORD, b"forget", b"more"],
        [WORD, b"x" * WORD_MAX],
    ],
)  # fmt: skip
def test_words_that_are_cut_or_unknown_end_the_connection(frames):
    with pytest.raises(ZmtpError, match="word for receipts"):
        Client().feed(pack(frames))


def test_a_word_alone_is_an_ordinary_message():
    """`WORD` is a first frame with others behind it; one frame alone has no empty one."""
    client = Client().feed(pack([WORD]))
    assert (client.words, client.switch.fates()) == ([], {"forwarded": 1})


def test_destinations_that_confirm_are_waited_for():
    store = MemoryStore(Outbox("h:next", Limits(1 << 20, 100)), b"N" * 16, 9)
    client = Client(Target((store,))).feed(NEXT + numbered(1) + numbered(2))
    assert client.acks == []
    store.fetch(1000)
    store.release(MessageNumber(9, 2))
    assert [(ack.number, ack.kind) for ack in client.acks] == [(2, "safe")]
    again = Client(Target((store,))).feed(NEXT + numbered(1) + numbered(2) + numbered(3))
    assert (store.duplicates, [ack.number for ack in again.acks]) == (2, [2])
    store.fetch(1000)
    store.release(MessageNumber(9, 3))
    assert [(ack.number, ack.kind) for ack in again.acks] == [(3, "safe")]


def test_all_of_several_destinations_have_to_confirm():
    stores = [MemoryStore(Outbox("h:x", Limits(1 << 20)), id * 16, 9) for id in (b"A", b"B")]
    client = Client(Target((*stores, Box(9)))).feed(NEXT + numbered(1) + numbered(2))
    for store, last in zip(stores, (2, 1), strict=True):
        assert client.acks == []
        store.fetch(1000)
        store.release(MessageNumber(9, last))
    assert [(ack.number, ack.kind) for ack in client.acks] == [(1, "safe")]
    assert not client.link.tracker.idle
    stores[1].refuse(9, 2, 1, "old")
    stores[1].release(MessageNumber(9, 2))
    assert client.link.tracker.take_refusals() == [Nack(EPOCH, 2, 1, "old")]
    assert (client.acks[-1].number, client.link.tracker.idle) == (2, True)


def test_a_handler_that_accepts_a_message_confirms_it_later():
    handler = Accepting()
    client = Client()
    client.switch = Switch(CODEC, Silent())
    client.switch.table.flows[b"data"] = Flow(Target(handlers=(handler,)))
    input = PeerInput(MessageSource(PEER, "1.2.3.4:5", "ccserver"), BOUNDS)
    client.input = ClientInput(client.switch, input, client.link, client.obey, client.lost)
    client.feed(NEXT + numbered(1, b"{}", b"Q1") + numbered(2, b"{}"))
    one, two = handler.seen
    assert one.message.route == (PEER, b"Q1")
    assert one.message.delivery[:3] == (b"P" * 16, EPOCH, 1)
    client.switch.finish(two, Refuse("no"))
    assert client.acks == []
    client.switch.finish(one, None)
    assert client.link.tracker.take_refusals() == [Nack(EPOCH, 2, 1, "refused")]
    assert [(ack.number, ack.kind) for ack in client.acks] == [(2, "safe")]
    assert +client.switch.ledger.fates == {"consumed": 1, "refused": 1}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (Target((Box(0),)), "full"), (Target(fate="refused", reason="allow:x"), "refused"),
        (Target(handlers=("failed",)), "failed"), (Target(fate="malformed"), "malformed"),
    ],
)  # fmt: skip
def test_what_nothing_takes_is_refused(target, reason):
    client = Client(target).feed(NEXT + numbered(1))
    assert client.link.tracker.take_refusals() == [Nack(EPOCH, 1, 1, reason)]
    assert client.acks[-1].number == 1


@pytest.mark.parametrize("fate", ["unrouted", "discarded"])
def test_what_has_no_destination_is_acknowledged(fate):
    client = Client(Target(fate=fate)).feed(NEXT + numbered(1))
    assert client.link.tracker.take_refusals() == []
    assert [(ack.number, ack.kind) for ack in client.acks] == [(1, "handed")]
    assert client.switch.fates() == {fate: 1}


def test_rights_are_those_of_the_peer():
    refused = Flow(Target(fate="refused", reason="allow:x"))
    access = PeerAccess({b"data": refused}, lambda type: refused, ALL_RIGHTS)
    client = Client(access=access).feed(NEXT + numbered(1) + plain())
    assert client.link.tracker.take_refusals() == [Nack(EPOCH, 1, 1, "refused")]
    assert client.switch.fates() == {"refused": 2}


def test_taps_see_messages_without_their_numbers():
    seen = []

    class Tap:
        def wants(self, type, places):
            return True

        def see(self, passing):
            seen.extend(bytes(one) for one in passing.messages())

    box = Box(99)
    client = Client(Target((box,)).tapped((Tap(),)))
    client.feed(NEXT + numbered(1, b"a") + plain(b"b"))
    assert seen == [plain(b"a"), plain(b"b")]
    assert client.acks[-1].number == 1
    assert Target((box,)).places == Places(("box",), "discarded")


def test_full_destinations_stop_the_input_in_front_of_the_message():
    stopped = Stopped()
    client = Client(Target((stopped,)))
    data = NEXT + numbered(1) + numbered(2)
    assert client.input.feed(data) == (len(NEXT), BLOCKED, [stopped])
    stopped.blocked = False
    client.feed(data[len(NEXT) :])
    assert (client.link.next, client.acks[-1].number) == ((EPOCH, 3), 2)
    stopped.blocked = True
    assert client.input.feed(plain())[:2] == (0, BLOCKED)


def test_too_many_runs_without_an_end_stop_it(monkeypatch):
    monkeypatch.setattr("ccproxy.core.delivery.receipts.MOST_RUNS", 2)
    store = MemoryStore(Outbox("h:next", Limits(1 << 20, 100)), b"N" * 16, 9)
    client = Client(Target((store,))).feed(NEXT)
    for number in (1, 2):
        client.feed(numbered(number))
    tracker = client.link.tracker
    assert client.input.feed(numbered(3) + plain()) == (0, BLOCKED, (tracker,))


def test_handlers_that_take_long_stop_it():
    source = MessageSource(PEER, "1.2.3.4:5", "ccserver")
    client = Client(Target(handlers=("consumed",)))
    client.input = ClientInput(
        client.switch,
        PeerInput(source, BOUNDS, lambda: True),
        client.link,
        client.obey,
        client.lost,
    )
    data = NEXT + numbered(1) + numbered(2)
    done, stop, _ = client.input.feed(data)
    assert (done, stop, client.link.next) == (len(NEXT) + len(numbered(1)), TIRED, (EPOCH, 2))
    assert [(ack.number, ack.kind) for ack in client.acks] == [(1, "safe")]


def test_commands_of_zmtp_are_left_to_the_connection():
    client = Client()
    assert client.input.feed(NEXT + command(b"PING", b"\0\0"))[:2] == (len(NEXT), COMMAND)


def test_a_message_that_is_too_big_is_known_if_it_is_the_next_one():
    client = Client(limits=(1000, 100)).feed(NEXT + numbered(1))
    big = numbered(2, b"x" * 2000)
    assert client.input.feed(numbered(1) + big)[1] == TOO_BIG
    assert client.input.holds_next
    assert client.input.feed(numbered(3, b"x" * 2000))[1] == TOO_BIG
    assert not client.input.holds_next
    assert client.input.feed(plain(b"x" * 2000))[1] == TOO_BIG
    assert not client.input.holds_next
    assert client.input.feed(big[:HEAD_SIZE])[1] == MORE
    assert client.input.holds_next
    assert client.input.feed(big[: HEAD_SIZE - 1])[1] == MORE
    assert not client.input.holds_next


def test_a_large_message_is_passed_on_without_a_copy_of_it(monkeypatch):
    client = Client(limits=(1 << 21, 100)).feed(NEXT)
    data = numbered(1, b"x" * (1 << 20))
    parts = []
    emit = ClientInput._emit
    monkeypatch.setattr(ClientInput, "_emit", lambda *run: parts.extend(run[2]) or emit(*run))
    client.input.feed(data)
    assert (type(parts[1]), len(parts[1])) == (memoryview, len(data) - HEAD_SIZE)
    assert parts[1].obj is data


PIECES = st.lists(
    st.one_of(
        st.tuples(st.just("numbered"), st.integers(1, 6)),
        st.tuples(st.just("next"), st.integers(1, 6)),
        st.tuples(st.just("plain"), st.integers(0, 300)),
    ),
    max_size=30,
)


def model(pieces):
    """What has to go on of a stream: each number at most once, in order, behind what was here."""
    following, announced, passed = 0, False, []
    for kind, number in pieces:
        if kind == "next":
            following, announced = max(following, number), True
        elif kind == "plain":
            passed.append(plain(b"p" * number))
        elif announced and number == following:
            passed.append(plain(b"%d" % number))
            following += 1
        elif announced and number > following:
            announced = False
    return passed


@given(PIECES, st.integers(0, 40))
def test_any_stream_cut_anywhere_goes_on_as_the_rules_say(pieces, size):
    forms = {
        "numbered": lambda number: numbered(number, b"%d" % number),
        "next": lambda number: pack(encode(Announcement(EPOCH, number, TOKEN))),
        "plain": lambda number: plain(b"p" * number),
    }
    client = Client().feed(b"".join(forms[kind](number) for kind, number in pieces), size)
    assert client.passed == model(pieces)
    assert client.switch.ledger.received == sum(kind != "next" for kind, _ in pieces)
    assert client.switch.ledger.balance() == 0


@given(st.binary(max_size=60), st.integers(0, 60))
def test_nothing_that_a_client_can_send_breaks_it(noise, cut):
    good = NEXT + numbered(1) + plain()
    data = good[:cut] + noise + MARK + noise
    client = Client()
    for at in range(0, len(data), 7):
        try:
            client.input.feed(data[at:])
        except ZmtpError as error:
            assert str(error)
    assert client.switch.ledger.balance() == 0
