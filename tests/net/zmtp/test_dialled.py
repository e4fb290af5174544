"""A listener without an address: its links, their messages, and new addresses by a reload."""

import asyncio
from dataclasses import dataclass

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits
from ccproxy.net.zmtp.dialled import DialledListener
from ccproxy.net.zmtp.link import UP
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, NoMessages
from ccproxy.wire.zmtp import pack


@dataclass
class Options:
    connect: tuple[str, ...]
    limits: Limits = Limits()
    linger: float = 0.1


class Collector:
    """A MessageSink that keeps what it gets."""

    def __init__(self):
        self.seen = b""
        self.told = []

    def role(self):
        return LinkRole(
            b"PULL", ingress=lambda *about: self, reconfigured=self.told.append,
            joined=lambda identity, box: self.told.append("joined"),
            left=lambda identity, box: self.told.append("left"),
            stopped=lambda: self.told.append("stopped"),
        )  # fmt: skip

    def feed(self, data):
        self.seen += data
        return len(data), 0, ()


def up(dialled):
    """Links that are connected."""
    return sum(link.state == UP for link in dialled.links.values())


def pusher(kit, boxes):
    """A PUSH socket that peers connect to."""
    plan = ListenerPlan("push", "zmq", object, "tcp://127.0.0.1:0", ZmtpListenerOptions(), 1)
    role = ListenerRole(b"PUSH", NoMessages, joined=lambda identity, box: boxes.append(box))
    listener = ZmtpListener(plan, kit, role)
    listener.acceptor.open(plan.options)
    listener.acceptor.accept()
    return listener


async def test_it_takes_messages_of_the_peers_that_it_connects_to(kit, until):
    kit, boxes, seen = kit(), [], Collector()
    pushers = [pusher(kit, boxes) for _ in range(2)]
    addresses = [one.acceptor.bound for one in pushers]
    options = Options((addresses[0],))
    plan = ListenerPlan("listen:in", "zmq", object, "", options, 1)
    dialled = DialledListener(plan, kit, seen.role(), lambda options: LinkOptions(linger=0.1))
    assert dialled.acceptor.address is None and dialled.calls == 0
    dialled.acceptor.open(options)
    dialled.acceptor.accept()
    await until(lambda: boxes)
    boxes[0].offer(pack([b"one"]), 1)
    await until(lambda: seen.seen == pack([b"one"]))
    assert up(dialled) == 1 and seen.told == ["joined"]
    assert dialled.acceptor.bound == f"connects to {addresses[0]}"

    other = Options((addresses[1],))
    dialled.reconfigure(other)
    dialled.acceptor.accept()
    await until(lambda: len(boxes) == 2 and up(dialled) == 1)
    assert [link.address for link in dialled.links.values()] == [addresses[1]]
    await until(lambda: "left" in seen.told)
    assert other in seen.told and len(dialled.outboxes()) == 2

    dialled.acceptor.close()
    dialled.stop_reading()
    await dialled.close_peers("test", 0.1)
    assert seen.told[-2:] == ["stopped", "left"] and not dialled.links
    for one in pushers:
        one.acceptor.close()
        one.stop_reading()
        await one.close_peers("test", 0)
        await asyncio.gather(one._reading, return_exceptions=True)


async def test_a_link_that_is_down_is_not_up(kit):
    plan = ListenerPlan("listen:in", "zmq", object, "", Options(("tcp://127.0.0.1:1",)), 1)
    dialled = DialledListener(plan, kit(), Collector().role(), lambda options: LinkOptions())
    dialled.acceptor.reopen()
    assert up(dialled) == 0 and [one.state for one in dialled.links.values()] != [UP]
    await dialled.close_peers("test", 0)
