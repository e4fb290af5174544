"""An xMsg client on pyzmq: messages, and a connection that publishes, subscribes and asks.

    with Connection(Proxy("127.0.0.1", 7771)) as here:
        here.subscribe("A:B")
        here.publish(Message.text("A:B:C", "hello"))
        print(here.receive(1.0).data)

A proxy at port P has publishers at P, subscribers at P+1, and answers handshakes at P+2. Handshake
and check are what the libraries of xMsg do before they use a proxy; parts of CLARA do without, so
both can be left out. A connection belongs to one thread.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import zmq
from google.protobuf.message import DecodeError

from ccproxy_handlers.xmsg.messages import classes

CLASSES = classes()
META, DATA = CLASSES["Meta"], CLASSES["Data"]
CONTROL = b"xmsg:control"
CON, SUB = CONTROL + b":con", CONTROL + b":sub"
"""What Java and Python say; C++ says CONTROL alone for both."""
RESEND_INTERVAL = 0.1
"""Seconds between two requests of a handshake: the first one is lost before the proxy has told this
side that it wants such messages."""
TEXT, BYTES, JSON = "text/string", "binary/bytes", "application/json"
MAX_KEPT = 100_000
"""Messages that came while an answer or a check was waited for; older ones are dropped."""


class Proxy(NamedTuple):
    """Where a proxy is: its host, and the port P that publishers connect to."""

    host: str
    port: int = 7771

    def address(self, offset: int = 0) -> str:
        """The ZeroMQ address of the port P + offset."""
        return f"tcp://{self.host}:{self.port + offset}"


@dataclass(frozen=True, slots=True)
class Message:
    """Topic, metadata (an xMsgMeta) and payload."""

    topic: str
    meta: Any
    data: bytes = b""

    @classmethod
    def of(cls, topic: str, kind: str, data: bytes, **meta: Any) -> Message:
        """A message with a payload of this mime type, and more fields of the metadata."""
        return cls(topic, META(dataType=kind, **meta), data)

    @classmethod
    def text(cls, topic: str, text: str, **meta: Any) -> Message:
        """A message with a plain text, as all requests of CLARA are."""
        return cls.of(topic, TEXT, text.encode(), **meta)

    @classmethod
    def read(cls, frames: Sequence[bytes]) -> Message:
        """The message in three frames; ValueError if they hold none."""
        topic, meta, data = frames
        try:
            return cls(topic.decode(), META.FromString(meta), data)
        except DecodeError as error:
            raise ValueError(f"not the metadata of a message: {error}") from None

    def frames(self) -> list[bytes]:
        """The message as it goes on the wire."""
        return [self.topic.encode(), self.meta.SerializeToString(), self.data]

    def answer(self, data: bytes, **meta: Any) -> Message:
        """The answer to this request: its metadata with some fields replaced, and another payload;
        ValueError if it wants none."""
        if not self.meta.HasField("replyTo"):
            raise ValueError(f"the message to {self.topic} wants no answer")
        return self.onward(self.meta.replyTo, data, **meta)

    def onward(self, topic: str, data: bytes, **meta: Any) -> Message:
        """What follows from this message: its metadata with some fields replaced, and another
        payload; it wants no answer."""
        made = META()
        made.CopyFrom(self.meta)
        made.ClearField("replyTo")
        made.MergeFrom(META(**meta))
        return Message(topic, made, data)


class Connection:
    """The sockets of one program at one proxy."""

    def __init__(
        self,
        proxy: Proxy,
        handshake: bool = True,
        check: bool = True,
        publisher: int = zmq.XPUB,
        timeout: float = 10.0,
    ) -> None:
        """Connect. TimeoutError if the proxy does not answer the handshake in `timeout` seconds.

        The libraries of xMsg publish with zmq.PUB, which drops what the proxy has not asked for yet
        and does not say so; an XPUB can wait for it.
        """
        self.proxy = proxy
        self.malformed = 0
        """Messages that could not be read."""
        self._check = check
        self._timeout = timeout
        self._number = random.randrange(1_000_000)
        self._identity = str(300_000_000 + random.randrange(100_000_000)).encode()
        self._kept: deque[Message] = deque(maxlen=MAX_KEPT)
        self._replies = ""
        self._wanted: set[bytes] = set()
        context = zmq.Context.instance()
        self._pub = context.socket(publisher)
        self._sub = context.socket(zmq.SUB)
        for made, offset in ((self._pub, 0), (self._sub, 1)):
            made.linger, made.sndhwm, made.rcvhwm = 1000, 0, 0
            made.connect(proxy.address(offset))
        if handshake:
            try:
                self._shake_hands()
            except TimeoutError:
                self.close()
                raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets; what is published already has a second to leave."""
        self._pub.close()
        self._sub.close()

    def publish(self, message: Message) -> None:
        """Send a message to all subscribers of its topic."""
        self._hear(0.0)
        self._pub.send_multipart(message.frames())

    def wanted(self, topic: str, seconds: float) -> bool:
        """Wait until the proxy asks for messages of this topic; False if it does not in time. Of a
        PUB socket that cannot be known, and the answer is True."""
        end = time.monotonic() + seconds
        while self._pub.type == zmq.XPUB:
            if any(topic.encode().startswith(one) for one in self._wanted):
                break
            if (left := end - time.monotonic()) < 0:
                return False
            self._hear(left)
        return True

    def subscribe(self, topic: str) -> None:
        """Ask for all messages whose topic begins so; with `check`, TimeoutError if the proxy does
        not show in time that it knows."""
        self._sub.subscribe(topic)
        if not self._check:
            return
        end = time.monotonic() + self._timeout
        while time.monotonic() < end:
            self._pub.send_multipart([SUB, b"sub", topic.encode()])
            resend = time.monotonic() + RESEND_INTERVAL
            while (left := resend - time.monotonic()) > 0:
                if self._next(left) == [topic.encode(), b"sub"]:
                    return
        self._sub.unsubscribe(topic)
        raise TimeoutError(f"{self.proxy.address(1)} does not confirm the subscription to {topic}")

    def unsubscribe(self, topic: str) -> None:
        """Ask no more for these messages."""
        self._sub.unsubscribe(topic)

    def receive(self, seconds: float) -> Message | None:
        """The next message; None if none comes in this time."""
        end = time.monotonic() + seconds
        while not self._kept:
            left = end - time.monotonic()
            if left < 0 or self._next(left) is None:
                break
        return self._kept.popleft() if self._kept else None

    def request(self, message: Message, seconds: float) -> Message:
        """Publish a message with a topic for the answer, and wait for that; TimeoutError if none
        comes in time. Other messages that come meanwhile wait for `receive`."""
        if not self._replies:
            self._replies = f"ret:{random.randrange(1 << 32):08x}"
            self.subscribe(self._replies)
        self._number = (self._number + 1) % 1_000_000
        topic = f"{self._replies}:3{self._number:06d}"
        meta = META()
        meta.CopyFrom(message.meta)
        meta.replyTo = topic
        end = time.monotonic() + seconds
        if not self.wanted(message.topic, seconds):
            raise TimeoutError(f"nothing subscribes to {message.topic} in {seconds:g} s")
        self.publish(Message(message.topic, meta, message.data))
        while (left := end - time.monotonic()) > 0:
            self._next(left)
            if self._kept and self._kept[-1].topic == topic:
                return self._kept.pop()
        raise TimeoutError(f"no answer from {message.topic} in {seconds:g} s")

    def _shake_hands(self) -> None:
        """Publish a request until the proxy answers it at P+2."""
        with zmq.Context.instance().socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.identity = self._identity
            dealer.connect(self.proxy.address(2))
            end = time.monotonic() + self._timeout
            while time.monotonic() < end:
                self._pub.send_multipart([CON, b"pub", self._identity])
                heard = dealer.poll(int(1000 * RESEND_INTERVAL))
                if heard and dealer.recv_multipart() == [b"pub"]:
                    return
        raise TimeoutError(f"{self.proxy.address(2)} does not answer the handshake")

    def _hear(self, seconds: float) -> None:
        """Take what the proxy asks publishers for, as an XPUB hears it."""
        wait = max(0, int(1000 * seconds))
        while self._pub.type == zmq.XPUB and self._pub.poll(wait):
            said = self._pub.recv()
            change = self._wanted.add if said[:1] == b"\1" else self._wanted.discard
            change(said[1:])
            wait = 0

    def _next(self, seconds: float) -> list[bytes] | None:
        """Take the next message off the socket and keep it, unless it is an answer to a check: such
        answers have two frames and go to all subscribers."""
        if not self._sub.poll(max(0, int(1000 * seconds))):
            return None
        frames: list[bytes] = self._sub.recv_multipart()
        if len(frames) == 3:
            try:
                self._kept.append(Message.read(frames))
            except ValueError:
                self.malformed += 1
        return frames


class Connections:
    """The connections of one program, one to each proxy, made when they are first needed."""

    def __init__(self, **connecting: Any) -> None:
        """`connecting` are arguments of each connection."""
        self._connecting = connecting
        self._made: dict[Proxy, Connection] = {}

    def at(self, proxy: Proxy) -> Connection:
        """The connection to a proxy."""
        if proxy not in self._made:
            self._made[proxy] = Connection(proxy, **self._connecting)
        return self._made[proxy]

    def close(self) -> None:
        """Close all of them."""
        for one in self._made.values():
            one.close()
