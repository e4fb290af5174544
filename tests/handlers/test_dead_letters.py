"""What a far side will not take goes to another handler, once."""

import pytest

from ccproxy import Handler, Refuse
from ccproxy.testing import CODEC, message, run_handler
from ccproxy.wire import cc
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.dead_letters import WAITING
from ccproxy_handlers.proxy import Proxy

OPTIONS = "remote-cc = tcp://h:1\ndead-letters = h:dead"


class Receiver(Handler):
    """Keeps what it gets."""

    def __init__(self, fails=False):
        super().__init__("h:dead", None)
        self.got = []
        self.fails = fails

    def handle(self, message):
        if self.fails:
            raise Refuse("no")
        self.got.append(message)


@pytest.fixture
def dead():
    return Receiver()


@pytest.fixture
def proxy(dead):
    with run_handler(Proxy, OPTIONS, {"h:dead": dead}) as running:
        yield running


def raw(type="log.info", *payload):
    return pack(cc.frames((b"me", b"Q"), type, payload or (b'{"req": "x"}', b"", b"blob")))


def test_it_has_the_reason_in_front_and_the_frames_as_they_were(proxy, dead):
    proxy.ctx.links[0].dead(raw(), 1, "message larger than max-message = 100 bytes")
    assert not dead.got  # at the end of the turn
    proxy.ctx.advance(0)
    [letter] = dead.got
    assert (letter.type, letter.route) == ("dead-letter.log.info", (b"me", b"Q"))
    value = letter.value()
    assert (value["section"], value["type"]) == ("h:test", "log.info")
    assert value["reason"] == "message larger than max-message = 100 bytes"
    assert letter.payload[1:] == (b"", b'{"req": "x"}', b"", b"blob")
    assert proxy.ctx.counters == {"dead-letters.sent": 1}


def test_several_messages_at_a_time_stay_in_order(proxy, dead):
    chunk = b"".join(raw(f"t{number}") for number in range(5))
    proxy.ctx.links[0].dead(chunk, 5, "failed")
    proxy.ctx.advance(0)
    assert [one.value()["type"] for one in dead.got] == [f"t{number}" for number in range(5)]


def test_a_dead_letter_that_is_given_up_again_is_dropped_and_counted(proxy, dead):
    proxy.ctx.links[0].dead(raw("dead-letter.log"), 1, "refused")
    proxy.ctx.advance(0)
    assert not dead.got and proxy.ctx.counters == {"dead-letters.lost": 1}
    assert proxy.ctx.lines == [
        "WARNING dead letter dropped to=h:dead: given up a second time: refused"
    ]


def test_what_the_other_handler_does_not_take_is_dropped_and_counted():
    with run_handler(Proxy, {"remote-cc": "tcp://h:2", "on-full": "block", "queue": 1024}) as full:
        full.give(message("data", {}, bytes(2000)))
        with run_handler(Proxy, OPTIONS, {"h:dead": full.handler}) as proxy:
            for _ in range(3):
                proxy.ctx.links[0].dead(raw(), 1, "refused")
                proxy.ctx.advance(0)
            assert proxy.ctx.counters == {"dead-letters.lost": 3}
            proxy.ctx.advance(20)
            assert proxy.ctx.lines == [
                "WARNING dead letter dropped to=h:dead: [h:dead] did not take it: waits",
                "WARNING dead letters dropped to=h:dead more=2",
            ]


def test_what_is_no_message_of_cc_is_dropped(proxy, dead):
    proxy.ctx.links[0].dead(pack([b"no type"]), 1, "refused")
    proxy.ctx.advance(0)
    assert not dead.got and proxy.ctx.counters == {"dead-letters.lost": 1}


def test_their_number_has_a_limit(proxy, dead):
    proxy.ctx.links[0].dead(raw() * (WAITING + 5), WAITING + 5, "refused")
    proxy.ctx.advance(0)
    assert len(dead.got) == WAITING
    assert proxy.ctx.counters == {"dead-letters.lost": 5, "dead-letters.sent": WAITING}


def test_a_handler_that_reads_them_sees_the_message_as_a_blob_and_more(proxy, dead):
    inner = CODEC.encode("log.info", {"text": "x"}, b"picture")
    proxy.ctx.links[0].dead(raw("log.info", *inner), 1, "refused")
    proxy.ctx.advance(0)
    assert dead.got[0].blob == inner[0]


def test_circles_are_mistakes(ini, call):
    ini(
        """
        [ccserver]
        cc-socket = tcp://127.0.0.1:1
        [routes]
        x = h:a
        [h:a]
        handler = proxy
        remote-cc = tcp://127.0.0.1:2
        dead-letters = h:b
        [h:b]
        handler = proxy
        remote-cc = tcp://127.0.0.1:3
        dead-letters = h:a
        """
    )
    status, out, err = call("check", "x.ini")
    assert status == 78 and '"dead-letters" in [h:b] goes round in a circle' in out + err


def test_without_the_option_what_is_given_up_is_only_counted():
    with run_handler(Proxy, "remote-cc = tcp://h:1") as proxy:
        proxy.ctx.links[0].dead(raw(), 1, "refused")
        proxy.ctx.advance(0)
        assert not proxy.ctx.counters and "dead" not in proxy.handler.explain("x", None)
