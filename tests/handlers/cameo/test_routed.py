"""Requests that take routes: their types, handlers that answer, other sites, and their answers."""

from ccproxy.core.message import Reply
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput, Run
from ccproxy.core.stops import BLOCKED, MORE
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Deliver, Forward
from ccproxy.core.walk import cut
from ccproxy.protocols.zmq.replies import PayloadReplies
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack, unpack
from ccproxy_handlers.cameo.peers import PeerTable
from ccproxy_handlers.cameo.routed import AddressedSink, RoutedIngress

LIMITS = (1 << 20, 100)
ECHO = b"responder-676e576d-echo:1"


class Undelivered:
    def __init__(self):
        self.lines = []

    def undelivered(self, sender, address, messages):
        self.lines.append((sender, address, messages))

    def too_short(self, sender, messages):
        self.lines.append((sender, "short", messages))

    def unrouted(self, *about):
        self.lines.append(about)

    def failed(self, name, type, error):
        raise error


class Destination:
    """A handler with this verdict, which answers what it is given with the same value."""

    exclusive = False

    def __init__(self, name, verdict):
        self.name = name
        self.verdict = verdict
        self.seen = []

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        self.seen.append(message.type)
        return Reply("any", message.value())


class Site:
    """One section with its peers; `routes` lead types to verdicts, all others to the section."""

    def __init__(self, *names, **routes):
        self.losses = Undelivered()
        self.switch = switch = Switch(CODEC, self.losses)
        self.table = PeerTable()
        self.sink = AddressedSink("h:cameo", self.table, self.losses)
        self.boxes = {}
        self.inputs = {}
        verdicts = {one.replace("_", "."): verdict for one, verdict in routes.items()}
        verdicts = verdicts or {"cameo": Forward(self.sink)}
        self.handlers = {f"h:{one}": Destination(one, way) for one, way in verdicts.items()}
        switch.configure(Routes([(one, (f"h:{one}",)) for one in verdicts]), self.handlers, {})
        for number, name in enumerate(names):
            self.enter(name, b"%d" % number)

    def enter(self, name, identity):
        self.boxes[name] = box = Outbox("peer", Limits())
        source = MessageSource(identity, f"at {name}", "h:x", name, box=box)
        self.switch.peers[identity] = PayloadReplies(box)
        table = (self.table, self.table.enter(source, 0.0), self.losses)
        self.inputs[name] = RoutedIngress(
            self.switch, PeerInput(source, LIMITS), table, b"cameo.request"
        )

    def feed(self, name, *messages):
        return self.inputs[name].feed(b"".join(map(pack, messages)))

    def sent(self, name):
        return taken(self.boxes[name])

    @property
    def fates(self):
        assert self.switch.ledger.balance() == 0
        return +self.switch.ledger.fates


def taken(box):
    data = b"".join(box.peek(1000))
    box.advance(len(data))
    return data


def test_a_request_has_a_type_and_its_answer_comes_back():
    site = Site(ECHO, b"\0\0\0\0\1")
    request = [b"x", ECHO, b"y", b"1", b""]
    assert site.feed(b"\0\0\0\0\1", request, request)[1] == MORE
    assert site.sent(ECHO) == 2 * pack([b"", b"\0\0\0\0\1", b"", b"1", b""])
    assert list(site.switch.table.flows) == [b"cameo.request.responder-676e576d-echo.1"]
    site.feed(ECHO, [b"", b"\0\0\0\0\1", b"", b"2"], [b"", b"\0\0\0\0\2", b"", b"3"])
    assert site.sent(b"\0\0\0\0\1") == pack([b"", ECHO, b"", b"2"])
    assert site.fates == {"forwarded": 2, "replied": 1, "gone": 1}
    assert site.losses.lines == [(f"at {ECHO}", b"\0\0\0\0\2", 1)]


def test_addresses_without_peers_and_short_messages():
    site = Site(b"a")
    site.feed(b"a", [b"", b"0:0", b"", b"1"], [b"", b"a", b""], [b"", b"", b"", b"2"])
    assert site.fates == {"gone": 2, "malformed": 1}
    assert [line[1] for line in site.losses.lines] == [b"0:0", b"", "short"]


def test_a_handler_in_between_sees_the_payload_and_answers_for_the_peer():
    site = Site(b"0:0", b"\0\0\0\0\1", cameo_request_0=Deliver())
    site.feed(b"\0\0\0\0\1", [b"", b"0:0", b"", b'{"type":1}'], [b"", b"0:0", b"", b"a", b"b"])
    assert site.sent(b"\0\0\0\0\1") == (
        pack([b"", b"0:0", b"", b'{"type":1}']) + pack([b"", b"0:0", b"", b"a", b"b"])
    )
    assert site.handlers["h:cameo.request.0"].seen == ["cameo.request.0.0"] * 2
    assert site.fates == {"replied": 2} and site.sent(b"0:0") == b""


def test_what_no_route_matches_is_said():
    site = Site(b"a", b"0:0", cameo_request_other=Deliver())
    site.feed(b"a", [b"", b"0:0", b"", b"1"])
    assert site.fates == {"unrouted": 1} and site.sent(b"0:0") == b""


def test_a_sender_waits_for_a_full_destination_that_blocks():
    box = Outbox("link", Limits(messages=1, policy="block"))
    site = Site(b"a", cameo=Forward(box))
    site.feed(b"a", [b"", b"0:0", b"", b"1"])
    assert site.feed(b"a", [b"", b"0:0", b"", b"2"]) == (0, BLOCKED, [box])


def test_a_request_for_another_site_and_its_answer():
    link = Outbox("link", Limits())
    here = Site(b"\0\0\0\0\1", cameo=Forward(link))
    there = Site(ECHO)
    here.feed(b"\0\0\0\0\1", [b"", ECHO, b"", b"1"], [b"", ECHO, b"", b"2"])
    crossing = taken(link)
    envelope = [b"0", b"", b"cameo.request.responder-676e576d-echo.1"]
    assert all(unpack(one)[:3] == envelope for one in cut(crossing))
    from_here = Outbox("here", Limits())
    there.switch.peers[b"link"] = from_here
    route = pack([b"link", b""])[:-2]
    first, second = (route + one for one in cut(crossing))
    assert there.sink.take(Run(None, 2, envelopes=first + second)) == [("forwarded", 1)] * 2
    requests = cut(there.sent(ECHO))
    assert [unpack(one)[3] for one in requests] == [b"1", b"2"]
    there.feed(ECHO, *map(unpack, requests))
    answers = taken(from_here)
    for one in cut(answers):
        identity, *rest = unpack(one)
        assert here.switch.peers[identity].offer(pack(rest), 1) == 1
    assert here.sent(b"\0\0\0\0\1") == b"".join(pack([b"", ECHO, b"", one]) for one in (b"1", b"2"))
    assert there.fates == {"replied": 2}


def test_what_comes_by_routes_in_other_forms():
    site = Site(ECHO)
    said = []
    frames = pack([b"x", b"", b"t", b"", ECHO, b"", b"1"]) + pack([b"x", b"", b"t", b"bad"])
    assert site.sink.offer(frames, 2, lambda *told: said.append(told)) == 1
    assert said == [(1, "taken")] and not site.sink.blocked and not site.sink.may_block
    name = unpack(site.sent(ECHO))[1]
    assert name[0] == 0 and unpack(name[1:] + b"\0\0") == [b"x", b"", b"t", b""]
    stranger = MessageSource(b"7", "peer", "listen:x", b"\0\0\0\0\7")
    head = pack([b"7", b"", b"t", b""])[:-2]
    run = Run(stranger, 1, payloads=pack([b"", b"unknown", b"", b"1"]), head=head)
    assert site.sink.take(run) == [("gone", 1)]
    assert site.losses.lines == [("another server", "short", 1), ("peer", b"unknown", 1)]
    called = []
    site.sink.wait(lambda: called.append(1))
    assert called


def test_messages_for_several_peers_keep_their_fates_in_order():
    site = Site(b"a", b"b")
    source = site.inputs[b"a"]._source
    chunk = b"".join(pack([b"", one, b"", b"1"]) for one in (b"b", b"?", b"a")) + pack([b""])
    fates = site.sink.take(Run(source, 4, payloads=chunk, head=b"x"))
    assert fates == [("forwarded", 1), ("gone", 1), ("forwarded", 1), ("malformed", 1)]
    assert site.sent(b"a") == site.sent(b"b") == pack([b"", b"a", b"", b"1"])
