"""Messages whose listener gives the type: frames unchanged, fates and stops as in CC."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.flows import Flow, Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, TopicIngress, TypedIngress, typed
from ccproxy.core.verdict import Deliver, Forward
from ccproxy.core.walk import cut
from ccproxy.testing import CODEC
from ccproxy.wire.cc import valid_type
from ccproxy.wire.zmtp.frames import pack, unpack

BODIES = [[b"a.x", b"1"], [b"", b""], [b"a.x"], [b"b:y"]]
DATA = b"".join(map(pack, BODIES))


class Notices:
    def __init__(self):
        self.seen = []

    def unrouted(self, *about):
        self.seen.append(about)


class Handler:
    exclusive = False

    def __init__(self, name, verdict):
        self.name = name
        self.verdict = verdict
        self.messages = []

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        self.messages.append(message)


def make(routes, kind=TypedIngress, tired=bool, flow_of=None):
    switch = Switch(CODEC, Notices())
    handlers = {f"h:{type}": Handler(f"h:{type}", verdict) for type, verdict in routes.items()}
    switch.configure(Routes([(type, (f"h:{type}",)) for type in routes]), handlers, {})
    source = MessageSource(b"me", "peer", "in")
    given = Given(b"bus", flow_of=flow_of)
    return kind(switch, PeerInput(source, (1000, 20), tired), given), switch, handlers


def balanced(switch):
    assert switch.ledger.balance() == 0
    assert sum(switch.ledger.fate_bytes.values()) == switch.ledger.bytes
    return dict(switch.ledger.fates)


def test_a_link_gets_envelopes_and_a_publisher_payloads():
    box, publisher = Outbox("box", Limits()), Publisher("h:bus")
    peer = Subscriber(Outbox("peer", Limits()))
    publisher.subscriptions.subscribe(peer, b"a.")
    ingress, switch, _ = make({"bus": Forward((box, publisher))})
    assert ingress.feed(DATA + b"\0") == (len(DATA), MORE, ())
    envelopes = [unpack(one) for one in cut(b"".join(box.peek(9)))]
    assert envelopes == [[b"me", b"", b"bus", *frames] for frames in BODIES]
    assert [unpack(one) for one in cut(b"".join(peer.box.peek(9)))] == [BODIES[0], BODIES[2]]
    assert balanced(switch) == {"forwarded": 4}
    assert switch.table.flows[b"bus"].count == 4


def test_each_message_has_its_fate():
    publisher = Publisher("h:bus")
    peer = Subscriber(Outbox("peer", Limits(messages=1)))
    publisher.subscriptions.subscribe(peer, b"a.")
    ingress, switch, _ = make({"bus": Forward(publisher)})
    ingress.feed(DATA)
    assert balanced(switch) == {"unsubscribed": 2, "forwarded": 1, "full": 1}


def test_handlers_see_the_frames():
    ingress, switch, handlers = make({"bus": Deliver()})
    ingress.feed(DATA)
    seen = handlers["h:bus"].messages
    assert [list(one.payload) for one in seen] == BODIES
    assert {(one.type, one.route, one.listener) for one in seen} == {("bus", (b"me",), "in")}
    assert balanced(switch) == {"consumed": 4}


def test_nobody_wants_the_type():
    ingress, switch, _ = make({})
    ingress.feed(DATA)
    assert balanced(switch) == {"unrouted": 4} and switch.notices.seen == [("bus", 4)]


def test_it_stops_where_the_peer_must_wait_or_others_get_their_turn():
    box = Outbox("box", Limits(bytes=10, policy="block"))
    ingress, switch, _ = make({"bus": Forward(box)})
    assert ingress.feed(DATA) == (len(DATA), MORE, ())
    assert ingress.feed(DATA) == (0, BLOCKED, [box])
    for kind, routes in ((TypedIngress, {"bus": Deliver()}), (TopicIngress, {"bus.a": Deliver()})):
        ingress, switch, _ = make(routes, kind, tired=lambda: True)
        done, stop, _ = ingress.feed(DATA)
        assert (done, stop) == (len(pack(BODIES[0])), TIRED)
        assert balanced(switch) == {"consumed": 1}


def test_a_destination_of_its_own_needs_no_route():
    box = Outbox("box", Limits())
    flow = Flow(Target((box,)))
    ingress, switch, _ = make({}, flow_of=lambda type: flow)
    ingress.feed(DATA)
    assert box.waiting == 4 and flow.count == 4 and balanced(switch) == {"forwarded": 4}


def test_topics_are_parts_of_the_type():
    box = Outbox("box", Limits())
    ingress, switch, handlers = make({"bus.a": Forward(box), "bus.b": Deliver()}, TopicIngress)
    assert ingress.feed(DATA * 2) == (2 * len(DATA), MORE, ())
    envelopes = [unpack(one) for one in cut(b"".join(box.peek(9)))]
    assert [one[2] for one in envelopes] == [b"bus.a.x"] * 4
    assert [one.type for one in handlers["h:bus.b"].messages] == ["bus.b.y"] * 2
    assert balanced(switch) == {"forwarded": 4, "unrouted": 2, "consumed": 2}
    switch.configure(Routes([("bus", ("h:bus.b",))]), handlers, {})
    ingress.feed(DATA)
    assert balanced(switch) == {"forwarded": 4, "unrouted": 2, "consumed": 6}


@given(st.binary(max_size=30))
def test_any_topic_makes_a_valid_type(topic):
    assert valid_type(typed(b"bus", topic))


def test_the_type_of_a_topic():
    assert typed(b"bus", b"weather:oslo/1 2") == b"bus.weather.oslo.1_2"
    assert typed(b"bus", b".a..b/") == b"bus.a.b"
    assert typed(b"bus", b"\xff\0") == b"bus.__"


def test_a_publisher_of_many_topics_lets_others_have_their_turn():
    publisher = Publisher("h:out")
    boxes = [Outbox(str(number), Limits()) for number in range(1000)]
    for box in boxes:
        publisher.subscriptions.subscribe(peer := Subscriber(box), b"")
    publisher.subscriptions.subscribe(peer, b"topic")
    data = b"".join(pack([b"%05d" % number]) for number in range(1000))
    ingress, switch, _ = make({"bus": Forward(publisher)}, tired=lambda: True)
    rounds = 0
    while data:
        done, stop, _ = ingress.feed(data)
        assert done and stop == (TIRED if done < len(data) else MORE)
        data = data[done:]
        rounds += 1
    assert rounds > 50 and balanced(switch) == {"forwarded": 1000}
    assert {box.waiting for box in boxes} == {1000}
    assert switch.table.flows[b"bus"].count == 1000


def test_a_flood_of_topics_lets_others_have_their_turn_and_is_counted():
    ingress, switch, _ = make({"bus": Forward(Outbox("out", Limits()))}, TopicIngress, lambda: True)
    data = b"".join(pack([b"%05d" % number]) for number in range(5000))
    rounds = 0
    while data:
        done, _, _ = ingress.feed(data)
        data = data[done:]
        rounds += 1
    assert rounds > 50 and balanced(switch) == {"forwarded": 5000}
    assert len(ingress._topics.entries) <= 1024
    totals = switch.table.totals
    counted = [count.messages.get("ok", 0) for count in [*totals.types.values(), totals.other]]
    assert sum(counted) + sum(flow.count for flow in switch.table.flows.values()) == 5000
