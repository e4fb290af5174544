#!/usr/bin/env python3
"""The catalog of the shop, on asyncio: what there is, and what it costs.

    {"op": "find", "item": NAME}   -> {"item": NAME, "price": CENTS}

It keeps nothing itself: the first price of an item is stored and stays.
"""

from __future__ import annotations

import asyncio
import zlib
from functools import partial

import lines

from ccproxy.service.aio import AsyncPlug, AsyncSession, Service


async def serve(store: AsyncPlug, session: AsyncSession) -> None:
    """Answer one client until it leaves, or the session has to be closed."""
    while request := await lines.next_line(session):
        session.writer.write(lines.write(await find(store, lines.read(request))))
        await session.writer.drain()


async def find(store: AsyncPlug, request: lines.Line) -> lines.Line:
    """The price of an item; a new one gets the price that its name suggests."""
    item = str(request["item"])
    row = {"item": item, "price": 100 + zlib.crc32(item.encode()) % 9900}
    asked = {"op": "put", "table": "items", "key": item, "row": row}
    answer = await lines.ask(store, asked)
    found: lines.Line = answer["row"]
    return found


async def main() -> None:
    """Serve until the agent says that it is over."""
    async with Service() as service:
        store = service.plug("store_client", "sql")
        await service.serve("catalog_api", partial(serve, store))
        await service.wait()


if __name__ == "__main__":
    asyncio.run(main())
