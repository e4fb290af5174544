"""The options of links and listeners, and the values made of them."""

import pytest

from ccproxy.config.ini import parse
from ccproxy.config.links import (
    KeepAlive,
    LinkOptions,
    ListenerOptions,
    SocketOptions,
    ZmtpListenerOptions,
)
from ccproxy.config.options import options_of
from ccproxy.config.resolve import resolve
from ccproxy.core.outbox import Limits

MIB = 1 << 20


def read(declared, *lines):
    made, problems = parse("x.ini", "\n".join(["[s]", *lines]), {}, "host1")
    resolved = resolve(made.section("s"), declared)
    return resolved.options, [problem.what for problem in (*problems, *resolved.problems)]


def test_defaults():
    options, problems = read(LinkOptions)
    assert problems == []
    assert options == LinkOptions()
    assert options.limits == Limits(bytes=64 * MIB, messages=0, policy="drop-new")
    assert (options.linger, options.reconnect, options.reconnect_max) == (0.5, 0.1, 5.0)
    assert options.keepalive == KeepAlive(idle=240, interval=15, count=4)
    assert ListenerOptions().limits == Limits(bytes=64 * MIB, messages=0, policy="drop-new")


@pytest.mark.parametrize(
    ("declared", "prefix"),
    [(LinkOptions, ""), (ListenerOptions, "peer-")],
    ids=["link", "listener"],
)
def test_the_queue(declared, prefix):
    options, problems = read(
        declared,
        f"{prefix}queue = 1 MiB",
        f"{prefix}queue-messages = 7",
        f"{prefix}on-full = block",
    )
    assert problems == []
    assert options.limits == Limits(bytes=MIB, messages=7, policy="block")


@pytest.mark.parametrize("declared", [LinkOptions, ListenerOptions])
@pytest.mark.parametrize(("text", "messages"), [("100", 200), ("0", 0)])
def test_zmq_hwm_counts_twice_as_in_the_original(declared, text, messages):
    options, problems = read(declared, f"zmq_hwm = {text}")
    assert problems == []
    assert options.limits.messages == messages


def test_zmq_hwm_and_queue_messages_are_one_thing():
    _, problems = read(LinkOptions, "zmq_hwm = 0", "queue-messages = 0")
    assert problems == ['"zmq_hwm" sets "queue-messages", and both are given']
    _, problems = read(ListenerOptions, "peer-queue-messages = 1", "zmq_hwm = 1")
    assert problems == ['"zmq_hwm" sets "peer-queue-messages", and both are given']


@pytest.mark.parametrize("text", ["-1", "many", ""])
def test_zmq_hwm_refused(text):
    _, [problem] = read(LinkOptions, f"zmq_hwm = {text}")
    assert "expected a whole number of 0 or more" in problem


def test_zmq_linger_is_in_milliseconds():
    assert read(LinkOptions, "zmq_linger = 250")[0].linger == 0.25
    assert read(LinkOptions, "linger = 2 s")[0].linger == 2.0


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("0", False), ("-1", False), ("yes", True), ("off", False)]
)
def test_keepalive_switch(text, on):
    options, _ = read(LinkOptions, f"zmq_tcp_keepalive = {text}")
    assert (options.keepalive is not None) is on


def test_keepalive_is_in_whole_seconds_never_zero():
    options, problems = read(
        LinkOptions, "zmq_tcp_keepalive_idle = 1500 ms", "zmq_tcp_keepalive_intvl = 1"
    )
    assert problems == []
    assert options.keepalive == KeepAlive(idle=2, interval=1, count=4)


def test_pings_wait_as_long_as_the_period_unless_told():
    options, _ = read(LinkOptions, "heartbeat = 2 s", "heartbeat-ttl = 10 s")
    assert (options.pings.interval, options.pings.timeout, options.pings.ttl) == (2.0, 2.0, 10.0)
    options, _ = read(ZmtpListenerOptions, "peer-heartbeat = 2", "peer-heartbeat-timeout = 500 ms")
    assert (options.pings.interval, options.pings.timeout, options.pings.ttl) == (2.0, 0.5, 0.0)
    assert LinkOptions().pings.interval == 0.0


@pytest.mark.parametrize(
    "declared", [SocketOptions, LinkOptions, ListenerOptions, ZmtpListenerOptions]
)
def test_every_option_has_help_and_a_default_its_kind_can_show_and_read(declared):
    for option in options_of(declared):
        assert len(option.help) > 10, option.name
        assert not option.required
        if option.default is not None:
            assert option.kind.parse(option.kind.show(option.default)) == option.default


@pytest.mark.parametrize(
    "line",
    [
        "zmq_sndbuf = 5000000000",
        "zmq_rcvbuf = 2 GiB",
        "zmq_tcp_keepalive_idle = 100000",
        "zmq_tcp_keepalive_intvl = 32768",
        "zmq_tcp_keepalive_cnt = 128",
        "backlog = 100000",
    ],
)
def test_what_the_kernel_would_not_take(line):
    options, [problem] = read(ZmtpListenerOptions, line)
    assert options is None
    assert "expected a" in problem


@pytest.mark.parametrize(
    ("declared", "name"), [(LinkOptions, "queue"), (ListenerOptions, "peer-queue")]
)
def test_a_queue_whose_unit_was_forgotten(declared, name):
    _, [problem] = read(declared, f"{name} = 64")
    assert problem == f'"{name}" in [s]: found "64", expected a size of at least 1 KiB'
