"""A session of an asyncio service."""

import asyncio

import pytest

from ccproxy.service.aio import AsyncSession
from ccproxy.service.events import CloseWanted, SessionDenied


def run(scenario):
    """Run a coroutine function with a session whose connection is not used."""

    async def main():
        await asyncio.wait_for(scenario(AsyncSession(None, None)), 60)

    asyncio.run(main())


def test_what_comes_first_is_taken():
    async def scenario(session):
        assert await session.unless_closing(asyncio.sleep(0, b"line"), b"") == b"line"

    run(scenario)


def test_a_wait_ends_when_the_session_has_to_be_closed():
    async def scenario(session):
        called = []
        session.on_close = lambda: called.append(session.closing.is_set())
        session.deliver(SessionDenied(1, 403))
        session.deliver(CloseWanted(1))
        forever = asyncio.Event()
        assert await session.unless_closing(forever.wait(), "closing") == "closing"
        assert called == [True]

    run(scenario)


def test_an_error_of_the_wait_is_that_of_the_caller():
    async def fails():
        raise EOFError("cut")

    async def scenario(session):
        with pytest.raises(EOFError, match="cut"):
            await session.unless_closing(fails(), b"")

    run(scenario)
