import json
from pathlib import Path

import pytest

from ccproxy.core.message import Message
from ccproxy.testing import TIME, message, run_handler
from ccproxy.wire import cc
from ccproxy_handlers.echo import Echo

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CASES = json.loads((VECTORS / "echo_log_invalid.json").read_text("utf-8"))["cases"]
PINGS = json.loads((VECTORS / "hops_fanout_ping.json").read_text("utf-8"))["echo_ping_remotes"]
CODEC = cc.CcCodec("vm", lambda: 1795189717.679766)

NOW_ANSWERED = {
    "echo-unicode-target": "caf\u00e9",
    "json-list-of-scalars-inside": "tcp://127.0.0.1:1",
    "json-list-of-strings-inside": "tcp://127.0.0.1:1",
}
"""Requests on which the original fails by accident."""


def frames_of(frames: list[dict]) -> list[bytes]:
    return [bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode() for one in frames]


def for_echo(case: dict) -> bool:
    types = [one.get("text") for one in case["send"]]
    return bool({"echo", "echo.request", "echo.response"} & set(types)) and (
        "Invalid CC message" not in "".join(case.get("log", []))
    )


@pytest.mark.parametrize("case", list(filter(for_echo, CASES)), ids=lambda case: case["name"])
def test_every_case_of_the_original(case):
    sent = frames_of(case["send"])
    request = Message.cut([b"\0peer", *([b""] * (case["socket"] == "REQ")), *sent], CODEC)
    with run_handler(Echo) as echo:
        if case["replies"]:
            [reply] = echo.give(request)
            check_reply(reply, frames_of(case["replies"][0]), request)
        elif case["name"] in NOW_ANSWERED:
            [reply] = echo.give(request)
            assert reply.value()["orig_target"] == NOW_ANSWERED[case["name"]]
        elif "unknown msg" in case["log"][0]:
            assert echo.give(request) == []
            assert echo.ctx.lines == [f"WARNING unknown msg: {request.type}"]
        else:
            with pytest.raises((ValueError, KeyError)):
                echo.give(request)


def check_reply(reply, expected, request):
    """Same route, same fields, the same values but for the time."""
    wanted = Message.cut([b"\0peer", *([b""] * (b"" not in expected[:-1])), *expected], CODEC)
    assert (reply.type, reply.route) == (wanted.type, request.route)
    assert reply.payload[1:] == wanted.payload[1:] == (b"",)
    ours, theirs = reply.value(), wanted.value()
    ours["time"] = theirs["time"]
    assert json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)


def test_a_type_that_is_no_request_is_named():
    with run_handler(Echo) as echo:
        assert echo.send("log.info") == []
        assert echo.ctx.lines == ["WARNING unknown msg: log.info"]


def test_remotes_are_pinged_each_second_from_one_second_on():
    with run_handler(Echo, "ping-remotes = tcp://127.0.0.1:9, tcp://127.0.0.1:10") as echo:
        links = echo.ctx.links
        assert [one.address for one in links] == ["tcp://127.0.0.1:9", "tcp://127.0.0.1:10"]
        assert all(one.options.queue_messages == 1 and one.options.linger == 0 for one in links)
        echo.ctx.advance(0.9)
        assert links[0].take() == []
        for second in (1, 2, 3):
            echo.ctx.advance(1.0)
            for link in links:
                [ping] = link.take()
                assert (ping.type, ping.route, ping.payload[1:]) == ("echo.request", (), (b"",))
                assert ping.value()["target"] == link.address
                assert ping.value()["time"] == TIME + second


def test_a_silent_remote_is_named_as_by_the_original():
    with run_handler(Echo, {"ping-remotes": ("tcp://127.0.0.1:9",)}) as echo:
        echo.ctx.advance(9.0)
        theirs = [line for line in PINGS["log_after_8s"] if ":9 " in line]
        # The original's timer ran a millisecond late; exactly 5 s are not more than 5 s. It wrote a
        # line every second, ours are fewer.
        assert [line[:46] for line in echo.ctx.lines] == [
            theirs[1].replace("h:Echo.ping: ", "")[:46]
        ]


def test_a_foreign_pong_is_named():
    with run_handler(Echo, "ping-remotes = tcp://127.0.0.1:9") as echo:
        fields = {"orig_target": "tcp://nobody:1", "orig_time": TIME}
        echo.ctx.links[0].receive(message("echo.response", fields, route=()))
        [expected] = PINGS["unknown_pong_log"]
        assert echo.ctx.lines == [expected.replace("h:Echo.process_response: ", "")]


def test_without_remotes_there_is_no_link():
    with run_handler(Echo) as echo:
        echo.ctx.advance(60.0)
        assert echo.ctx.links == []
        assert echo.ctx.lines == []


def test_it_says_which_types_have_an_answer():
    with run_handler(Echo) as echo:
        assert echo.handler.explain("echo.request", None) == "answered with echo.response"
        assert echo.handler.explain("echo.other", None) == "logged as unknown"
