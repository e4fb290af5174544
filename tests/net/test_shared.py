import asyncio

import pytest


async def test_who_wants_to_know_hears_who_is_gone(kit):
    made = kit()
    heard = []

    def leave(identity):
        heard.append(identity)
        made.departures.remove(leave)

    made.departures.extend((leave, lambda identity: heard.append(identity.upper())))
    made.departed(b"a")
    made.departed(b"b")
    assert heard == [b"a", b"A", b"B"]


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), asyncio.CancelledError()])
async def test_what_a_plugin_raises_is_logged_under_its_section(kit, caplog, error):
    def fail():
        raise error

    kit().call_plugin("h:x", "(timer)", fail)
    [record] = caplog.records
    assert record.getMessage().startswith("handler failed handler=h:x type=(timer) messages=1: ")
    assert record.exc_info is not None
