"""The peers of a server whose messages are acknowledged: links of other servers, and clients.

It must never know what is said to them.
"""

from __future__ import annotations

from ccproxy.core.delivery.far_side import RememberedLinks
from ccproxy.core.runs import PeerInput
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.far_peers import ClosableConnection, FarPeer, FarPeers
from ccproxy.net.zmtp.receipts import Clients
from ccproxy.net.zmtp.role import MessageSink, NumberedMaker
from ccproxy.wire.zmtp import Peer
from ccproxy.wire.zmtp import delivery as wire


class AcknowledgedPeers:
    """The connections of both. Each has a memory of its own: clients that come and go by the
    thousands must not make a server forget the links of others."""

    def __init__(self, server: bytes) -> None:
        """`server` is our id."""
        self._links, self._clients = FarPeers(server), Clients(server)

    @property
    def server(self) -> bytes:
        """Our id."""
        return self._links.server

    @server.setter
    def server(self, id: bytes) -> None:
        self._links.server = self._clients.server = id

    @property
    def links(self) -> RememberedLinks:
        """The links that are remembered."""
        return self._links.links

    @property
    def clients(self) -> RememberedLinks:
        """The clients that are remembered."""
        return self._clients.links

    def properties(self, numbered: NumberedMaker) -> dict[bytes, bytes]:
        """What we say of ourselves in the handshake at a listener with this input of links."""
        said = {wire.PROPERTY: wire.server_property(self.server)}
        return said | self._clients.properties(numbered)

    def ingress(
        self,
        switch: Switch,
        connection: ClosableConnection,
        peer: Peer,
        input: PeerInput,
        numbered: NumberedMaker,
    ) -> MessageSink | None:
        """What takes the messages of a peer that wants acknowledgements; None for any other."""
        found = self._links.ingress(switch, connection, peer, input, numbered)
        return found or self._clients.ingress(switch, connection, peer, input, numbered)

    def closed(self, connection: ClosableConnection) -> None:
        """A connection is over."""
        self._links.closed(connection)
        self._clients.closed(connection)

    def keeps(self, connection: ClosableConnection) -> bool:
        """True for a peer that keeps everything which we do not read: that of a link."""
        peer = self._find(connection)
        return peer is not None and peer.keeps_all

    def stop(self, connection: ClosableConnection) -> bool:
        """The server stops: take no more messages that the peer keeps. True if it keeps all."""
        peer = self._find(connection)
        if peer is not None:
            peer.stop()
        return peer is not None and peer.keeps_all

    def settled(self, connection: ClosableConnection) -> bool:
        """True unless a peer has to hear what becomes of its messages before we fall silent."""
        peer = self._find(connection)
        return peer is None or peer.settled

    def _find(self, connection: ClosableConnection) -> FarPeer | None:
        return self._links.find(connection) or self._clients.find(connection)
