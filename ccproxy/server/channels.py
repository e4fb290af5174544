"""The connections of `requests`, without and with TLS.

The steps of handshakes share the time that all handshakes of the server have, and those of long
keys go to a thread. It must never know what the bytes say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ccproxy.net.handshakes import Handshakes
from ccproxy.net.tls import HTTP_METHODS, PLAIN_HTTP, ListenerTls, TlsWork
from ccproxy.wire.tls import HANDSHAKE, TlsError, TlsSession, TlsStep

CLIENT_TIMEOUT = 10.0
"""Seconds a client has to send its request, and to take the answer or a part of a long one."""
READ_SIZE = 16 * 1024


class Channel(Protocol):
    """A connection: bytes in and out, without or with TLS."""

    async def read(self) -> bytes:
        """Some bytes of the client; b"" when it sends no more."""

    async def write(self, data: bytes) -> None:
        """Send bytes; TimeoutError if the client takes nothing for `CLIENT_TIMEOUT`."""

    async def close(self) -> None:
        """Send what waits, and close; TimeoutError as above."""


class PlainChannel:
    """A connection without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Some bytes of the client."""
        return await self._reader.read(READ_SIZE)

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._writer.transport.is_closing():
            raise ConnectionError("the client has gone")  # uvloop raises a RuntimeError for it
        self._writer.write(data)
        async with asyncio.timeout(CLIENT_TIMEOUT):
            await self._writer.drain()

    async def close(self) -> None:
        """Send what waits, and close."""
        self._writer.close()
        async with asyncio.timeout(CLIENT_TIMEOUT):
            await self._writer.wait_closed()


class Securing:
    """Puts accepted connections under TLS."""

    def __init__(self, tls: ListenerTls, handshakes: Handshakes) -> None:
        self.tls = tls
        self._handshakes = handshakes

    async def __call__(self, channel: Channel) -> Channel:
        """The same connection inside TLS; OSError if its handshake fails."""
        data = await channel.read()
        if data[:1] != bytes([HANDSHAKE]):
            if data.startswith(HTTP_METHODS):
                await channel.write(PLAIN_HTTP)
            raise ConnectionError("it speaks no TLS, or nothing")
        session = self.tls.session()
        try:
            while True:
                session.receive(data)
                step = await self._step(session)
                if step.transmit:
                    await channel.write(step.transmit)
                if step.done:
                    return SecureChannel(channel, session)
                data = await channel.read()
                if not data:
                    raise ConnectionError("closed by the client in the handshake of TLS")
        except TlsError as error:
            if error.alert:
                await channel.write(error.alert)
            raise ConnectionError(f"TLS: {error}") from None

    async def _step(self, session: TlsSession) -> TlsStep:
        """One step of the handshake, when it is its turn."""
        done = asyncio.get_running_loop().create_future()

        def finish(outcome: Callable[[], TlsStep]) -> None:
            if not done.done():
                done.set_result(outcome)

        self._handshakes.do(TlsWork(session.step, self.tls.slow), finish)
        outcome: Callable[[], TlsStep] = await done
        return outcome()


class SecureChannel:
    """A connection inside TLS."""

    def __init__(self, channel: Channel, session: TlsSession) -> None:
        self._channel = channel
        self._session = session

    async def read(self) -> bytes:
        """Some bytes of the client; ConnectionError for records that cannot be opened."""
        data = b""
        while True:
            try:
                found = self._session.open(data)
            except TlsError as error:
                raise ConnectionError(f"TLS: {error}") from None
            if found or self._session.ended:
                return found
            data = await self._channel.read()
            if not data:
                return b""

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        rest = memoryview(data)
        while rest:
            for piece, size in self._session.seal(rest):
                await self._channel.write(piece)
                rest = rest[size:]

    async def close(self) -> None:
        """Send what waits and the end of TLS, and close."""
        await self._channel.write(self._session.close())
        await self._channel.close()
