"""What only asyncio services do; test_threads.py has what services of both flavours do."""

import asyncio

from ccproxy.service import aio


def test_programs_import_it_as_service():
    assert aio.Service is aio.AsyncService


def test_the_end_of_the_block_is_the_end_of_the_service(agent):
    async def main():
        async with aio.Service(agent.configuration) as service:
            await asyncio.to_thread(agent.accept)
            assert not service.stopping
            id = agent.ask(
                "graceful_shutdown_request", service_name="orders", service_instance_id=7
            )
            await asyncio.wait_for(service.wait(), 60)
            return id

    id = asyncio.run(main())
    answer = agent.expect("graceful_shutdown_response")
    assert (answer.id, answer.status) == (id, 200)
