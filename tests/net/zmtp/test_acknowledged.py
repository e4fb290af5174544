"""Links and clients side by side: which of them a peer is, and what the end of a server means."""

import pytest

from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.flows import Target
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.net.zmtp.acknowledged import AcknowledgedPeers
from ccproxy.protocols.zmq.numbered import NumberedRouter
from ccproxy.wire import receipts
from ccproxy.wire.receipts import Announcement, ProducerId
from ccproxy.wire.zmtp import Peer, Properties, delivery
from ccproxy.wire.zmtp.frames import pack, unpack
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch

ID = b"I" * 16
LINK = {delivery.PROPERTY: delivery.source_property(ID, 1)}
CLIENT = {receipts.PROPERTY: receipts.producer_property(ProducerId(ID, 1))}


class Connection:
    name = "one"
    closed = paused = reached = False
    credential = None
    last_heard = 0.0

    def __init__(self):
        self.said = []

    def tell(self, data):
        self.said.append(data)


@pytest.fixture
def peers():
    made = AcknowledgedPeers(b"")
    made.server = b"S" * 16
    return made


@pytest.fixture
def connect(peers):
    def connect(properties):
        one = Connection()
        peer = Peer((3, 1), b"DEALER", b"", properties=Properties(properties))
        input = PeerInput(MessageSource(PEER, "one", "listen"), BOUNDS)
        sink = peers.ingress(FakeSwitch(Target((Box(9),))), one, peer, input, NumberedIngress)
        if sink is not None:
            sink.opened(one)
        one.sink = sink
        return one

    return connect


async def test_links_and_clients_are_remembered_apart(peers, connect):
    link, client, other = connect(LINK), connect(CLIENT), connect({})
    assert b"HAVE" in link.said[0]
    *_, server, _, token = unpack(client.said[0])
    assert server == peers.server
    assert (len(peers.links), len(peers.clients)) == (1, 0)
    client.sink.feed(pack(receipts.encode(Announcement(1, 1, token))))
    assert (len(peers.links), len(peers.clients)) == (1, 1)
    assert other.said == []
    for one in (link, client, other):
        peers.closed(one)
    assert [one.connected for one in (*peers.links, *peers.clients)] == [False, False]
    said = {delivery.PROPERTY: delivery.server_property(b"S" * 16)}
    assert peers.properties(NumberedRouter) == said
    assert peers.properties(NumberedIngress) == said | {receipts.PROPERTY: b"1"}


async def test_a_link_keeps_what_is_not_read_and_a_client_what_has_a_number(peers, connect):
    link, client, other = connect(LINK), connect(CLIENT), connect({})
    assert [peers.keeps(one) for one in (link, client, other)] == [True, False, False]
    assert [peers.stop(one) for one in (link, client, other)] == [True, False, False]
    # A client that has just connected hears at the end of this turn whether anything is new.
    assert [peers.settled(one) for one in (link, client, other)] == [True, False, True]
