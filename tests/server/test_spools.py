"""The spools of a running server, as the control socket gives them to an operator."""

import base64
import json

import pytest

from ccproxy.net.notices import ServerLog
from ccproxy.server.requests import RequestError
from ccproxy.server.spools import SpoolActions
from tests.core.delivery.test_store import chunk
from tests.spool.test_live import kept
from tests.spool.test_store import GIB, opened, settled


def value(answer):
    assert answer.code == 200
    return json.loads(answer.body)


async def test_one_spool_needs_no_name(tmp_path):
    async with opened(tmp_path, keep_size=GIB) as spool:
        actions = SpoolActions(lambda: [spool], ServerLog(lambda: 0.0))
        await kept(spool, 1, 2)
        spool.offer(chunk(3, 4), 2)
        await settled(spool)
        shown = value(await actions.show({}))
        assert (shown["waiting"], shown["kept"], shown["folder"]) == (2, 2, str(tmp_path))
        runs = value(await actions.runs({"section": "h:far", "after": "1"}))
        assert [(one["run"], one["messages"], one["waits"]) for one in runs["items"]] == [
            (2, 1, False), (3, 2, True),
        ]  # fmt: skip
        page = value(await actions.copies({}))
        assert [base64.b64decode(one["frames"][0]) for one in page["items"]] == [
            b"001", b"002", b"003", b"004",
        ]  # fmt: skip
        assert value(await actions.copies({"after": str(page["next"])})) == {
            "items": [], "next": None,
        }  # fmt: skip
        assert value(await actions.replay({"from": "2"})) == {"changed": 1}
        assert spool.waiting == 3
        await settled(spool)
        assert value(await actions.drop({"to": "3"})) == {"changed": 2}
        assert value(await actions.drop({})) == {"changed": 1}
        assert spool.waiting == 0


async def test_a_doubt_is_ended(tmp_path):
    async with opened(tmp_path) as spool:
        actions = SpoolActions(lambda: [spool], ServerLog(lambda: 0.0))
        spool.server = b"the old far side"
        spool.offer(chunk(1, 2), 2)
        await settled(spool)
        spool.fetch(GIB)
        assert value(await actions.resend({})) == {"changed": 2}
        assert spool.server == b""
    async with opened(tmp_path) as spool:
        assert spool.server == b""


async def test_what_is_wrong_is_said(tmp_path):
    async with opened(tmp_path / "a") as spool, opened(tmp_path / "b") as other:
        none, two = SpoolActions(lambda: [], ServerLog(lambda: 0.0)), [spool, other]
        other.rename("h:near")
        both = SpoolActions(lambda: two, ServerLog(lambda: 0.0))
        for action, query, text in (
            (none.show, {}, "no link of this server has a spool"),
            (both.show, {}, "several links have a spool: name one of h:far, h:near"),
            (both.show, {"section": "h:x"}, r"\[h:x\] has no spool: name one of h:far, h:near"),
            (both.drop, {"section": "h:far", "to": "x"}, "to = x: expected the number of a run"),
            (both.replay, {"section": "h:far", "from": "soon"}, "from: found 'soon', expected"),
        ):
            with pytest.raises(RequestError, match=text):
                await action(query)
