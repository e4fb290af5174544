"""Listeners of other socket types: joining and leaving peers, what they may send, the mechanism."""

import asyncio

import pytest

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.stops import COMMAND
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, NoMessages
from ccproxy.protocol import MessageProtocol
from ccproxy.wire import zmtp
from ccproxy.wire.zmtp import Handshake, ZmtpError, pack
from ccproxy.wire.zmtp.commands import error
from ccproxy.wire.zmtp.frames import command
from ccproxy.wire.zmtp.mechanism import Null


@pytest.fixture
def listen(kit):
    def listen(role):
        plan = ListenerPlan(
            "h:x", "x", MessageProtocol, "tcp://127.0.0.1:0", ZmtpListenerOptions(), 1
        )
        listener = ZmtpListener(plan, kit(), role)
        listener.acceptor.open(plan.options)
        listener.acceptor.accept()
        return listener

    return listen


async def connect(listener, kind):
    """A peer whose handshake is done, as far as the listener lets it."""
    host, port = listener.acceptor.bound.removeprefix("tcp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    codec = zmtp.WireConnection(Handshake(kind))
    writer.write(codec.start())
    while codec.peer is None and (data := await reader.read(65536)):
        for event in codec.receive(data):
            if isinstance(event, zmtp.Transmit):
                writer.write(event.data)
    return reader, writer


async def end(listener, writer):
    listener.acceptor.close()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await listener.close_peers("end", 0)


async def test_the_owner_hears_of_peers_and_a_message_to_push_closes_its_peer(
    listen, until, caplog
):
    told = []
    role = ListenerRole(
        b"PUSH", NoMessages,
        joined=lambda identity, box: told.append(("joined", identity, box)),
        left=lambda identity, box: told.append(("left", identity, box.waiting)),
    )  # fmt: skip
    listener = listen(role)
    reader, writer = await connect(listener, b"PULL")
    [(_, identity, box)] = await until(lambda: told)
    box.offer(pack([b"job"]), 1)
    assert await reader.readexactly(5) == pack([b"job"])
    writer.write(pack([b"no"]))
    assert await reader.read() == error("not ZMTP: a message to a socket that only sends")
    assert told[1:] == [("left", identity, 0)]
    assert "a message to a socket that only sends" in caplog.text
    await end(listener, writer)


async def test_a_fault_of_the_owner_harms_no_peer(listen, until, caplog):
    def fails(identity, box):
        raise KeyError("on purpose")

    listener = listen(ListenerRole(b"PUSH", NoMessages, joined=fails, left=fails))
    _, writer = await connect(listener, b"PULL")
    await until(lambda: listener.counts["peers"])
    await end(listener, writer)
    assert "handler failed handler=h:x type=(peer)" in caplog.text


async def test_a_peer_of_the_wrong_type_is_refused(listen, caplog):
    listener = listen(ListenerRole(b"PUSH", NoMessages))
    reader, writer = await connect(listener, b"DEALER")
    assert listener.counts["peers"] == 0
    assert "DEALER socket cannot talk to our PUSH" in caplog.text
    await end(listener, writer)


async def test_a_mechanism_is_made_for_each_connection(listen, until):
    made = []

    def mechanism():
        made.append(Null())
        return made[-1]

    listener = listen(ListenerRole(mechanism=mechanism))
    peers = [await connect(listener, b"DEALER") for _ in range(2)]
    await until(lambda: listener.counts["peers"] == 2)
    assert len(made) == 2 and made[0] is not made[1]
    for _, writer in peers:
        await end(listener, writer)


def test_commands_pass_where_no_messages_may():
    sink = NoMessages(None, None)
    assert sink.feed(command(b"PING", b"x")) == (0, COMMAND, ())
    with pytest.raises(ZmtpError):
        sink.feed(pack([b"x"]))


def test_links_are_dealers_unless_they_are_told():
    assert LinkRole().socket == b"DEALER" and isinstance(LinkRole().mechanism(), Null)


def test_a_role_is_the_same_where_we_connect():
    calls = [lambda identity, box: None for _ in range(2)]
    role = ListenerRole(b"PULL", NoMessages, joined=calls[0], left=calls[1], stopped=print)
    same = role.dialled()
    assert (same.socket, same.ingress) == (b"PULL", NoMessages)
    assert [same.joined, same.left] == calls and same.stopped is print
    box = Outbox("peer", Limits())
    assert same.replies(box) is box and LinkRole().replies(box) is None
