"""What an operator does with the spools of a running server, on its control socket.

    GET  /v1/spool?section=               what it holds
    GET  /v1/spool/runs?section=&after=   the runs behind one, by page
    GET  /v1/spool/copies?section=&after= the messages of the next runs; `next` is the next `after`
    POST /v1/spool/replay?section=&from=  acknowledged runs wait again
    POST /v1/spool/drop?section=&to=      what waits is forgotten
    POST /v1/spool/resend?section=        what the old far side may have goes to the new one

`section` may be missing if there is one spool only. It must never hold up the loop: files are read
in the threads of their spools, and answers are made there.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ccproxy.net.notices import ServerLog
from ccproxy.server.requests import RequestError, WebAnswer, json_answer
from ccproxy.spool import live, operations
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.store import Spool

Query = Mapping[str, str]


class SpoolActions:
    """Carries out what is asked for."""

    def __init__(self, spools: Callable[[], list[Spool]], log: ServerLog) -> None:
        self._spools = spools
        self._log = log

    async def show(self, query: Query) -> WebAnswer:
        """What a spool holds."""
        return await json_answer(await self._spool(query).call(operations.report))

    async def runs(self, query: Query) -> WebAnswer:
        """The next runs."""
        call = partial(operations.run_lines, after=_number(query, "after"))
        return await json_answer(await self._spool(query).call(call))

    async def copies(self, query: Query) -> WebAnswer:
        """The messages of the next runs."""
        call = partial(copied, after=_number(query, "after"))
        return WebAnswer(200, await self._spool(query).call(call))

    async def replay(self, query: Query) -> WebAnswer:
        """Let acknowledged runs wait again."""
        spool = self._spool(query)
        try:
            where = operations.place(query.get("from", ""), time.time())
        except ValueError as error:
            raise RequestError(400, f"from: {error}") from None
        changed = await live.replay(spool, where)
        self._log.info("replayed by an operator link=%s messages=%d", spool.name, changed)
        return await json_answer(operations.SpoolChanged(changed))

    async def drop(self, query: Query) -> WebAnswer:
        """Forget what waits."""
        spool = self._spool(query)
        changed = await live.drop(spool, _number(query, "to") if "to" in query else None)
        self._log.info("dropped by an operator link=%s messages=%d", spool.name, changed)
        return await json_answer(operations.SpoolChanged(changed))

    async def resend(self, query: Query) -> WebAnswer:
        """End the doubt of `on-doubt = wait`."""
        spool = self._spool(query)
        changed = live.resend(spool)
        self._log.info("resent by an operator link=%s messages=%d", spool.name, changed)
        return await json_answer(operations.SpoolChanged(changed))

    def _spool(self, query: Query) -> Spool:
        section, spools = query.get("section", ""), self._spools()
        found = [one for one in spools if one.name == section or not section]
        if len(found) == 1:
            return found[0]
        if not spools:
            raise RequestError(404, "no link of this server has a spool")
        names = ", ".join(sorted(one.name for one in spools))
        what = f"[{section:.100}] has no spool" if section else "several links have a spool"
        raise RequestError(404, f"{what}: name one of {names}")


def copied(file: SpoolFile, after: int) -> bytes:
    """JSON with the messages of the next runs; made in the thread, because it may be long."""
    rows = operations.copies(file, after)
    messages: list[dict[str, Any]] = []
    for row, waits in rows:
        if isinstance(row, SpoolRow):
            messages += [encoded(one) for one in operations.messages_of(row, waits)]
    following = rows[-1][0].id if rows else None
    return json.dumps({"items": messages, "next": following}).encode()


def encoded(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose frames are texts in base64."""
    frames = [base64.b64encode(frame).decode() for frame in message["frames"]]
    return {**message, "frames": frames}


def _number(query: Query, name: str) -> int:
    text = query.get(name, "0")
    if not text.isdigit():
        raise RequestError(400, f"{name} = {text:.40}: expected the number of a run")
    return int(text)
