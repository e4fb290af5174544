"""What only plugs of asyncio services have to do; test_threads_plug.py has what both do."""

import asyncio


def test_a_task_that_is_cancelled_gives_its_session_up(made_on_asyncio, agent, echo):
    made = made_on_asyncio

    async def take():
        async with made.plug.unit(60) as session:
            session.writer.write(b"hello\n")
            await session.reader.read(100)
            began.set()
            await asyncio.sleep(600)

    async def cancel():
        await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def prepare():
        nonlocal began, task
        began = asyncio.Event()
        task = made.loop.create_task(take())

    began = task = None
    made._do(prepare())
    agent.open(echo.port)
    made._do(cancel())
    assert agent.expect("source_service_session_close_info").status == 122
