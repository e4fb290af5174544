import asyncio

import pytest

from ccproxy.server.draining import Draining


@pytest.fixture
def said():
    return []


@pytest.fixture
def draining(said):
    return Draining(lambda name, error: said.append((name, error)))


async def test_the_end_comes_when_what_is_under_way_is_done(draining, said, until):
    done = asyncio.Event()

    async def end():
        said.append("end")

    draining.add("h:a", done.wait(), end)
    await asyncio.sleep(0.01)
    assert (said, len(draining)) == ([], 1)
    done.set()
    await until(lambda: not len(draining))
    assert said == ["end"]
    await draining.stop()


async def test_a_stopping_server_does_not_wait(draining, said):
    async def end():
        await asyncio.sleep(0)
        said.append("end")

    draining.add("h:a", asyncio.Event().wait(), end)
    draining.add("h:b", asyncio.Event().wait(), end)
    await asyncio.wait_for(draining.stop(), 60)
    assert (said, len(draining)) == (["end", "end"], 0)


async def test_what_goes_wrong_is_told_and_the_end_comes(draining, said, until):
    problem = ValueError("no")

    async def fails():
        raise problem

    async def end():
        said.append("end")

    draining.add("h:a", fails(), end)
    await until(lambda: "end" in said)
    assert said == [("h:a", problem), "end"]
