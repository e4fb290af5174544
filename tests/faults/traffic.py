"""What is sent and what is received: a publisher that numbers its messages, and a recording."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zmq

SIZES = ((0.90, 300), (0.98, 16 * 1024), (0.9997, 1024 * 1024), (1.0, 20_000_000))
"""Up to this share of the messages is not larger than this, in bytes."""
BURST = 20
"""Messages that are sent in one go."""
PAUSE = 0.008
"""Seconds between two bursts: enough traffic for each fault to meet some, and no more."""
WAIT = 1000
"""Milliseconds between two looks whether the publisher is to end."""


class Publisher:
    """Sends numbered messages from a thread until it is told to stop."""

    def __init__(self, port: int, seed: int) -> None:
        self.sent = 0
        """Numbers from 1 to this one were given to the server's socket."""
        self._dice = random.Random(seed)
        self._stop = threading.Event()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.sndhwm, self._socket.linger, self._socket.sndtimeo = 10, 0, WAIT
        self._socket.reconnect_ivl, self._socket.reconnect_ivl_max = 10, 50
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the socket can still send the last messages."""
        self._stop.set()
        self._thread.join(60)

    def send(self, size: int) -> None:
        """Send one more message, unless it is told to stop while the server takes none."""
        number = self.sent + 1
        body = bytes((number % 251 + 1,)) * size
        while True:
            try:
                self._socket.send_multipart([b"", b"data", b"%d %d" % (number, size), body])
            except zmq.Again:
                if self._stop.is_set():
                    return
                continue
            self.sent = number
            return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        self._context.term()

    def _run(self) -> None:
        while not self._stop.is_set():
            for _ in range(BURST):
                share = self._dice.random()
                most = next(size for part, size in SIZES if share <= part)
                self.send(self._dice.randrange(1, most + 1))
            time.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the numbers from 1 to `sent`."""

    sent: int
    received: int
    lost: int
    doubled: int
    reordered: int
    """Messages whose number is smaller than one that came before, copies not counted."""
    broken: int


def together(parts: Sequence[Found]) -> Found:
    """What became of messages that all of these should have had."""
    return Found(
        sum(one.sent for one in parts),
        min(one.received for one in parts),
        sum(one.lost for one in parts),
        sum(one.doubled for one in parts),
        sum(one.reordered for one in parts),
        sum(one.broken for one in parts),
    )


class Recording:
    """The file that the handler `record` writes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()
        self._read = 0
        self._seen = 0

    def has(self, number: int) -> bool:
        """True if this number, or a later one, has come."""
        with self.file.open("rb") as file:
            file.seek(self._read)
            lines = file.read().split(b"\n")
        self._read += sum(len(one) + 1 for one in lines[:-1])
        self._seen = max([self._seen, *(int(one.split()[0]) for one in lines[:-1])])
        return self._seen >= number

    def found(self, sent: int) -> Found:
        """Compare it with what was sent."""
        lines = [one.split() for one in self.file.read_bytes().splitlines()]
        numbers = [int(one[0]) for one in lines]
        counts = Counter(numbers)
        newest = reordered = 0
        seen: set[int] = set()
        for number in numbers:
            reordered += number < newest and number not in seen
            newest = max(newest, number)
            seen.add(number)
        return Found(
            sent, len(seen), sent - len(seen), len(numbers) - len(seen), reordered,
            sum(len(one) > 1 for one in lines),
        ) if max(counts, default=0) <= sent else _more(sent, newest)  # fmt: skip


def _more(sent: int, newest: int) -> Found:
    raise AssertionError(f"number {newest} came, and {sent} was the last that was sent")
