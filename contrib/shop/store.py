#!/usr/bin/env python3
"""The storage of the shop: an SQLite file, and a socket where it can be asked. It has no plugs.

    {"op": "get", "table": T, "key": K}               -> {"row": ... or null}
    {"op": "put", "table": T, "key": K, "row": ...}   -> {"row": ...}, the first one that was put
    {"op": "list", "table": T}                        -> {"rows": [...]}, the latest hundred

A row is put once: a request that is repeated changes nothing. SHOP_DB names the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3

import lines

from ccproxy.service.aio import AsyncSession, Service

TABLE = """CREATE TABLE IF NOT EXISTS rows (
    number INTEGER PRIMARY KEY, kind TEXT, key TEXT, row TEXT, UNIQUE (kind, key))"""


class Store:
    """One file, which one process uses at a time."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, timeout=20.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(TABLE)

    async def serve(self, session: AsyncSession) -> None:
        """Answer one client until it leaves, or the session has to be closed."""
        while request := await lines.next_line(session):
            session.writer.write(lines.write(self.answer(lines.read(request))))
            await session.writer.drain()

    def answer(self, request: lines.Line) -> lines.Line:
        """The answer to one request."""
        table, key = request.get("table"), request.get("key")
        if request["op"] == "list":
            found = self._db.execute(
                "SELECT row FROM rows WHERE kind = ? ORDER BY number DESC LIMIT 100", (table,)
            )
            return {"rows": [json.loads(row) for (row,) in found]}
        if request["op"] == "put":
            row = json.dumps(request["row"])
            self._db.execute(
                "INSERT OR IGNORE INTO rows (kind, key, row) VALUES (?, ?, ?)", (table, key, row)
            )
        found = self._db.execute("SELECT row FROM rows WHERE kind = ? AND key = ?", (table, key))
        first = found.fetchone()
        return {"row": first and json.loads(first[0])}

    def close(self) -> None:
        """Close the file, so that the next process can have it."""
        self._db.close()


async def main() -> None:
    """Serve until the agent says that it is over."""
    store = Store(os.environ.get("SHOP_DB", "shop.db"))
    async with Service() as service:
        await service.serve("sql", store.serve)
        await service.wait()
    store.close()


if __name__ == "__main__":
    asyncio.run(main())
