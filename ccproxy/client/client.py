"""The client itself: what a program calls. Its socket belongs to a thread of its own."""

from __future__ import annotations

import itertools
import logging
import queue
import socket
import threading
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as _wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

from ccproxy.client.keys import ClientKeys
from ccproxy.client.limits import MAX_ANSWERS, ClientLimits
from ccproxy.client.producer import Producer
from ccproxy.client.receipts import InDoubt, Receipt
from ccproxy.client.socket_thread import SocketThread, connected, with_reason
from ccproxy.config.keys import KeyFault, LinkKeys
from ccproxy.wire import cc

Fields = Mapping[str, Any]
"""The fields of the JSON object except `req`, `time`, `hostname` and `blob_hash`."""
LATER: Literal["later"] = "later"
_log = logging.getLogger("ccproxy.client")

_Answers = queue.Queue[cc.Parts | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its type, its JSON object, its blob if it has one, and all payload frames."""

    type: str
    value: dict[str, Any]
    blob: bytes | None
    payload: tuple[bytes, ...]


class Client:
    """A connection to one server, which reconnects by itself; a context manager."""

    def __init__(
        self,
        address: str,
        *,
        hostname: str | None = None,
        identity: bytes | None = None,
        timeout: float = 10.0,
        limits: ClientLimits | None = None,
        spool: str | Path | None = None,
        curve_server: str | Path = "",
        curve_secret: str | Path = "",
        plain_user: str = "",
        plain_password_file: str | Path = "",
        plain_password: str = "",
    ) -> None:
        """`spool` is a folder for the messages without a receipt, which are sent again after a
        restart. OSError if it cannot be used, or if another process has it. What can be read of a
        damaged one is sent as well; `damage` and a warning in the log say what was lost.

        With `curve_server`, the server's public key or its certificate, the client speaks CURVE:
        by the key of the certificate `curve_secret`, or by one that is made for this once. With
        `plain_user` it speaks PLAIN, by the first line of a file or by `plain_password`. ValueError
        if one of them cannot be used.
        """
        self.address = address
        self.timeout = timeout
        self.ignored = 0
        self._codec = cc.CcCodec(hostname or socket.gethostname(), time.time)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._asked: dict[bytes, _Answers] = {}
        proof = ClientKeys(
            curve_server, curve_secret, plain_user, plain_password_file, plain_password
        )
        keys = _read(proof)
        limits = limits or ClientLimits()
        self._producer = Producer(limits, Path(spool) if spool is not None else None)
        self.restored: list[Future[Receipt]] = self._producer.restored
        """The receipts to come for messages that the spool had when the client was made."""
        if self.damage:
            _log.warning("spool %s: %s", spool, self.damage)
        try:
            made = connected(address, identity, keys, limits, self._producer)
        except BaseException:
            self._producer.finish()
            raise
        self._thread = SocketThread(made, keys, limits, self._producer, self._received)

    @property
    def damage(self) -> str:
        """What was read of a damaged spool, what was lost, and where its file is now; empty if it
        was whole."""
        return self._producer.damage

    @property
    def problem(self) -> str:
        """Why there is no connection to the server now, as far as that is known, such as a key that
        it does not allow; empty if there is one. Calls that end without success say it, too."""
        return self._thread.problem

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.close()
            return
        with suppress(InDoubt):  # the error that ends the block is told
            self.close()

    @overload
    def publish(
        self, type: str, value: Fields, blob: bytes | None = None, *, wait: float = 0.0,
        confirm: Literal[False] = False,
    ) -> None: ...  # fmt: skip

    @overload
    def publish(
        self, type: str, value: Fields, blob: bytes | None = None, *, confirm: Literal[True],
        timeout: float | None = None,
    ) -> Receipt: ...  # fmt: skip

    @overload
    def publish(
        self, type: str, value: Fields, blob: bytes | None = None, *, confirm: Literal["later"],
        timeout: float | None = None,
    ) -> Future[Receipt]: ...  # fmt: skip

    def publish(
        self,
        type: str,
        value: Fields,
        blob: bytes | None = None,
        *,
        wait: float = 0.0,
        confirm: bool | Literal["later"] = False,
        timeout: float | None = None,
    ) -> Receipt | Future[Receipt] | None:
        """Send a message to which no answer is expected.

        ConnectionError if the queue is still full after `wait` seconds or the client is closed,
        ValueError if CC cannot carry type or value.

        With `confirm` the server is asked to take responsibility for the message: the call returns
        its receipt, or with "later" at once a Future of it. Each waits at most `timeout` seconds
        (default: the client's), "later" only for room. `Refused`: the server has not taken it.
        `InDoubt`: it may have arrived, and is sent again as long as the client lives.
        ConnectionError, or `CannotConfirm`: it was never sent. OSError: the spool cannot be used.
        """
        if confirm not in (False, True, LATER):
            raise ValueError(f"confirm is {confirm!r}, expected False, True or {LATER!r}")
        frames = self._frames((), type, value, blob)
        if not confirm:
            self._thread.put(frames, wait)
            return None
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        if confirm != LATER and threading.current_thread() is self._producer.thread:
            raise RuntimeError('a callback would wait for itself: it needs confirm="later"')
        message = self._producer.submit(frames, seconds)
        if confirm == LATER:
            return message.future
        if _wait([message.future], deadline - time.monotonic()).done:
            return message.future.result()
        problem = self._because(f"no receipt for {type} in {seconds:g} s")
        return self._producer.give_up(message, problem)

    def request(
        self, type: str, value: Fields, blob: bytes | None = None, timeout: float | None = None
    ) -> Answer:
        """Send a message and return the first answer.

        TimeoutError if none comes within `timeout` seconds (default: the client's), ValueError
        if the answer cannot be read; otherwise as `publish`.
        """
        with closing(self.stream(type, value, blob, timeout)) as answers:
            return next(answers)

    def stream(
        self, type: str, value: Fields, blob: bytes | None = None, timeout: float | None = None
    ) -> Generator[Answer, None, None]:
        """Send a message at the first `next` and yield every answer when it comes.

        Ends after `timeout` seconds without a further answer; TimeoutError if none came at all.
        """
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        id, answers = self._ask()
        try:
            self._thread.put(self._frames((id,), type, value, blob), seconds)
            answer = self._next(answers, deadline - time.monotonic())
            if answer is None:
                raise TimeoutError(self._because(f"no answer to {type} in {seconds:g} s"))
            while answer is not None:
                yield answer
                answer = self._next(answers, seconds)
        finally:
            with self._lock:
                del self._asked[id]

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything that was published with `confirm` is in the spool, if there is one.

        OSError if the spool has not taken some of it, which the Futures say of each message,
        TimeoutError if that is not known within `timeout` seconds (default: the client's).
        """
        seconds = self.timeout if timeout is None else timeout
        if not self._producer.flush(seconds):
            raise TimeoutError(f"the spool was not written in {seconds:g} s")

    def close(self) -> None:
        """Send the waiting messages and wait for receipts, for at most `linger` seconds.

        Messages left then are lost, but for those that a spool keeps. InDoubt if there is no
        receipt for some; their Futures say it, too. Requests that still wait for an answer raise
        ConnectionError.
        """
        self._thread.close()
        with self._lock:
            for answers in self._asked.values():
                _offer(answers, None)
        sent, unsent = self._producer.take_left()
        if sent + unsent:
            problem = (
                f"the client was closed, {sent} messages that may have arrived have no receipt, "
                f"{unsent} with receipt wanted were never sent"
            )
            raise InDoubt(self._because(problem))

    def _because(self, problem: str) -> str:
        return with_reason(f"{self.address}: {problem}", self.problem)

    def _next(self, answers: _Answers, seconds: float) -> Answer | None:
        try:
            parts = answers.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if parts is None:
            raise ConnectionError(f"{self.address}: the client was closed")
        value = self._codec.decode(parts.type, parts.payload)
        return Answer(parts.type, value, cc.blob(parts.payload), parts.payload)

    def _frames(
        self, route: tuple[bytes, ...], type: str, value: Fields, blob: bytes | None
    ) -> list[bytes]:
        return cc.frames(route, type, self._codec.encode(type, value, blob))

    def _ask(self) -> tuple[bytes, _Answers]:
        """A request id that is not in use, and the queue for its answers."""
        answers: _Answers = queue.Queue(MAX_ANSWERS)
        with self._lock:
            ids = (b"Q%06d" % (number % 999_999 + 1) for number in self._numbers)
            id = next(one for one in ids if one not in self._asked)
            self._asked[id] = answers
        return id, answers

    def _received(self, frames: list[bytes]) -> None:
        """Take an answer, in the socket's thread; ignore it if no request waits for it."""
        with suppress(ValueError), self._lock:
            parts = cc.split(frames)
            answers = self._asked.get(parts.route[0]) if len(parts.route) == 1 else None
            if answers is not None and _offer(answers, parts):
                return
        self.ignored += 1


def _read(proof: ClientKeys) -> LinkKeys:
    try:
        return proof.read()
    except KeyFault as fault:
        problem = f"{fault.option.replace('-', '_')}: {fault.what}"
        raise ValueError(with_reason(problem, fault.hint)) from None


def _offer(answers: _Answers, parts: cc.Parts | None) -> bool:
    with suppress(queue.Full):
        answers.put_nowait(parts)
        return True
    return False
