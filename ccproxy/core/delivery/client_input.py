"""The input of a client that wants receipts: numbered messages, others, and words beside them.

Numbered messages are those of a link with one frame more in front (see `ccproxy.wire.receipts`);
what was written for an earlier connection comes in front of the number that this one has announced,
and is passed over. It must never keep bytes, nor say anything to the client itself.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.flows import Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ingress import Ingress, Taken
from ccproxy.core.runs import PeerInput
from ccproxy.core.spans import counted, skip, unmarked, whole
from ccproxy.core.stops import BLOCKED, MORE
from ccproxy.core.switch import Switch
from ccproxy.wire.receipts import WORD, ReceiptWord, decode, number_frame
from ccproxy.wire.zmtp.frames import ZmtpError, frame, unpack

HEAD = frame(number_frame(0), more=True)
HEAD_SIZE = len(HEAD)
"""Bytes of the frame in front of a numbered message."""
MARK = HEAD[:-8]
"""How that frame begins; the number follows."""
WORD_HEAD = frame(WORD, more=True)
MARKS = MARK, WORD_HEAD
WORD_MAX = 1024
"""Bytes of the longest word of a client."""


class ClientInput(NumberedIngress):
    """The input of one connection of a client; see the module."""

    __slots__ = ("_head", "_on_gap", "_on_word", "_plain", "announced")

    def __init__(
        self,
        switch: Switch,
        input: PeerInput,
        link: RememberedLink,
        on_word: Callable[[ReceiptWord], None],
        on_gap: Callable[[], None],
    ) -> None:
        """`on_gap` is called for a number that is higher than that of the next message."""
        super().__init__(switch, input, link)
        self.announced = False
        """True once this connection has announced the number of its next message."""
        self._plain = Ingress(switch, input)
        self._on_word = on_word
        self._on_gap = on_gap
        self._head = b""
        """How the message begins that is not whole yet."""

    @property
    def next_head(self) -> bytes:
        """How the next numbered message begins; b"" if none is expected."""
        number = self._link.next if self.announced else None
        return b"" if number is None else MARK + number.number.to_bytes(8, "big")

    @property
    def holds_next(self) -> bool:
        """True if the message that is not whole yet is the next numbered one."""
        return len(self._head) == HEAD_SIZE and self._head == self.next_head

    def feed(self, data: bytes) -> Taken:
        """Pass on the whole messages of a read, each kind of them in its way. ZmtpError for a word
        that is cut or unknown."""
        end, _, stop = whole(data, self._limits)
        self._head = data[end : end + HEAD_SIZE]
        at = 0
        while at < end:
            behind, take = self._series(data, at, end)
            # The whole read is one series as a rule: then nothing is copied.
            series = data if behind - at == len(data) else data[at:behind]
            done, why, wait = take(series)
            if why != MORE:
                return at + done, why, wait
            at = behind
        return end, stop, ()

    def _series(self, data: bytes, at: int, end: int) -> tuple[int, Callable[[bytes], Taken]]:
        """Where the messages end that are of one kind from a place on, and what takes them."""
        if data.startswith(MARK, at):
            following = self._link.next if self.announced else None
            if following is not None:
                behind = counted(data, at, end, MARK, following.number)
                if behind > at:
                    return behind, self._numbered
            return skip(data, at, 1)[0], self._other
        if data.startswith(WORD_HEAD, at):
            return skip(data, at, 1)[0], self._word
        return unmarked(data, at, end, MARKS), self._plain.feed

    def _numbered(self, data: bytes) -> Taken:
        """Pass on messages that have the next numbers."""
        tracker = self._link.tracker
        if tracker.blocked:
            return 0, BLOCKED, (tracker,)
        return self._feed(data, self._bare)

    def _bare(self, target: Target, parts: list[Buffer], size: int) -> bool:
        """Pass on a run without the numbers in front of its messages."""
        bare: list[Buffer] = [b"", *[part[HEAD_SIZE:] for part in parts[1:]]]
        return self._emit(target, bare, size - HEAD_SIZE * (len(parts) - 1))

    def _other(self, data: bytes) -> Taken:
        """Pass over a message with another number, which is sent again if it was not here before:
        a repeat, one of an earlier connection, or one behind a gap."""
        following, ledger = self._link.next, self._switch.ledger
        ledger.pass_by("duplicate", 1, len(data))
        if self.announced and following is not None:
            if int.from_bytes(data[len(MARK) : HEAD_SIZE], "big") < following.number:
                self._link.duplicates += 1
            else:
                self._on_gap()
        return len(data), MORE, ()

    def _word(self, data: bytes) -> Taken:
        """Obey a word."""
        if len(data) > WORD_MAX:
            raise ZmtpError(f"a word for receipts of {len(data)} bytes, over {WORD_MAX}")
        try:
            word = decode(unpack(data))
        except ValueError as error:
            raise ZmtpError(str(error)) from error
        self._on_word(word)
        return len(data), MORE, ()
