"""Groups of links while far sides are killed, stopped, cut: what was never written moves on."""

import json
import signal
from collections import Counter
from contextlib import suppress

import pytest
import zmq

HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
linger = 5 s
[routes]
data = h:group
echo = h:group
"""
LINK = """
[h:{name}]
handler = proxy
remote-cc = tcp://127.0.0.1:{port}
reconnect = 10 ms
reconnect-max = 20 ms
linger = 5 s
"""
LUX, DUB, ROM = (
    LINK.format(name=name, port=f"PORT{number}")
    for number, name in ((2, "lux"), (3, "dub"), (4, "rom"))
)  # fmt: skip
HEARTBEAT = "heartbeat = 200 ms\nheartbeat-timeout = 6 s\n"
"""Longer than a busy machine lets a process wait: it ends only links to those that stand still."""
FAILOVER = "[h:group]\nhandler = failover\nto = h:lux, h:dub\nback-after = 300 ms\n"
BALANCE = "[h:group]\nhandler = balance\nto = h:lux, h:dub, h:rom\nback-after = 300 ms\nby = {by}\n"
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = remote
[routes]
echo = h:echo
data = h:none
[h:none]
handler = disposer
[h:echo]
handler = echo
"""


@pytest.fixture
def here(fill):
    return fill("tcp://127.0.0.1:PORT1")


@pytest.fixture
def led(until):
    """Wait until a group gives messages to these members, as its status says. Its log may have said
    so before: at the start one member may be up a second before the others."""
    return lambda server, *names: until(
        lambda: server.facts("h:group")["to"] == [f"h:{name}" for name in names]
    )


@pytest.fixture
def far(make, fill):
    """Make the far side that a port leads to, a ROUTER of libzmq."""
    return lambda number: make(zmq.ROUTER, bind=fill(f"tcp://127.0.0.1:PORT{number}"))


def body(client, text):
    client.send_multipart([b"", b"data", text])


def up(server, names):
    """Wait for the links of these members."""
    for name in names:
        server.wait_for(f"link up link=h:{name}")


def drop(far, server, name):
    """Close a far side, and wait until the link knows it."""
    before = server.count(f"link down link=h:{name}")
    far.close()
    server.wait_for_count(f"link down link=h:{name}", before + 1)


def bodies(far, count):
    return [far.recv_multipart()[-1] for _ in range(count)]


def test_the_first_that_is_up_gets_the_messages_and_replies_come_back(start, make, here, far, led):
    lux, dub = far(2), far(3)
    server = start(HEAD + FAILOVER + LUX + DUB)
    up(server, ("lux", "dub"))
    led(server, "lux")
    client = make(zmq.DEALER, connect=here)
    for first, second, name in ((lux, dub, "dub"), (dub, None, "")):
        body(client, b"question")
        asked = first.recv_multipart()
        first.send_multipart(asked)
        assert client.recv_multipart() == [b"", b"data", b"question"]
        if second:
            drop(first, server, "lux")
            led(server, name)
    lux = far(2)
    led(server, "lux")
    body(client, b"again")
    assert lux.recv_multipart()[-1] == b"again"
    assert not dub.poll(0)


def test_what_waits_while_all_are_away_goes_to_the_first_that_comes(start, make, here, far, until):
    server = start(HEAD + FAILOVER + LUX + DUB)
    client = make(zmq.DEALER, connect=here)
    sent = [b"%d" % number for number in range(1000)]
    for one in sent:
        body(client, one)
    server.wait_for("no connection link=h:dub")
    until(lambda: received(server) == 1000)
    dub = far(3)
    assert bodies(dub, 1000) == sent
    facts = server.facts("h:group")
    assert (facts["to"], facts["moved"]) == (["h:dub"], 1000)
    server.stop()
    assert server.ledger() == {"received": 1000, "forwarded": 1000}
    assert server.outboxes()["h:lux"] == {"queued": 0, "sent": 0, "waiting": 0}


def test_what_was_begun_stays_and_the_rest_moves_in_order(start, far, dial, await_dial, led, until):
    """Nothing is doubled, and nothing is lost but what the kernel had."""
    dub = far(3)
    server = start(HEAD + FAILOVER + LUX + DUB)
    lux = await_dial("PORT2").greet()
    up(server, ("lux", "dub"))
    led(server, "lux")
    client = dial().greet()
    for number in range(300):
        client.send(b"", b"data", b"%d " % number + bytes(60_000))
    until(lambda: received(server) == 300)
    first = int(lux.message()[-1].split()[0])
    lux.reset()
    led(server, "dub")
    moved = [int(dub.recv_multipart()[-1].split()[0])]
    while moved[-1] < 299:
        moved.append(int(dub.recv_multipart()[-1].split()[0]))
    assert moved == list(range(300 - len(moved), 300)) and first < moved[0]
    again = far(2)
    late = int(again.recv_multipart()[-1].split()[0])
    assert late == moved[0] - 1 and not again.poll(100)


def asked(client):
    """Ask whatever far side the group leads to."""
    value = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
    client.send_multipart([b"", b"echo.request", json.dumps(value).encode(), b""])
    return client.recv_multipart()[1] == b"echo.response"


def received(server):
    return server.status()["ledger"]["received"]


def test_a_member_that_stands_still_is_left(start, make, here, led):
    """SIGSTOP: heartbeats tell it, and the other far side answers instead."""
    lux, dub = (start(FAR.format(port=f"PORT{n}"), name=f"far{n}") for n in (2, 3))
    server = start(HEAD + FAILOVER + LUX + HEARTBEAT + DUB)
    up(server, ("lux", "dub"))
    led(server, "lux")
    client = make(zmq.DEALER, connect=here)
    assert asked(client)
    lux.process.send_signal(signal.SIGSTOP)
    led(server, "dub")
    assert asked(client) and received(dub) == 1
    lux.process.send_signal(signal.SIGCONT)
    led(server, "lux")
    assert asked(client) and received(lux) == 2


def test_kill_9_of_one_after_the_other(start, make, here, led, until):
    """Each time the other one answers, and what was sent while both were away comes to it."""
    fars = {n: start(FAR.format(port=f"PORT{n}"), name=f"far{n}") for n in (2, 3)}
    server = start(HEAD + FAILOVER + LUX + DUB)
    up(server, ("lux", "dub"))
    led(server, "lux")
    client = make(zmq.DEALER, connect=here)
    assert asked(client)
    fars[2].kill()
    led(server, "dub")
    assert asked(client)
    fars[3].kill()
    server.wait_for("link down link=h:dub")
    for number in range(100):
        body(client, b"%d" % number)
    until(lambda: received(server) == 104)
    fars[2] = start(FAR.format(port="PORT2"), name="far2")
    until(lambda: received(fars[2]) == 100)
    assert asked(client) and server.facts("h:group")["to"] == ["h:lux"]


@pytest.mark.parametrize("by", ["turn", "least-waiting"])
def test_runs_are_shared_among_members(start, make, here, far, led, by):
    fars = [far(number) for number in (2, 3, 4)]
    server = start(HEAD + BALANCE.format(by=by) + LUX + DUB + ROM)
    up(server, ("lux", "dub", "rom"))
    led(server, "lux", "dub", "rom")
    client = make(zmq.DEALER, connect=here)
    for number in range(30):
        body(client, b"%d" % number)
        # One read, one run: the next message goes out when this one has arrived.
        found = []
        poller = zmq.Poller()
        for one in fars:
            poller.register(one, zmq.POLLIN)
        [(socket, _)] = poller.poll(60_000)
        found.append(socket.recv_multipart()[-1])
        assert found == [b"%d" % number]
    server.stop()
    shares = {name: counts["sent"] for name, counts in server.outboxes().items() if "h:" in name}
    assert shares == {"h:lux": 10, "h:dub": 10, "h:rom": 10}


def test_the_members_of_keys_stay_when_another_goes(start, make, here, far, led):
    """Each key has one member; when a member goes, its keys alone move, and come back."""
    fars = {"lux": far(2), "dub": far(3), "rom": far(4)}
    server = start(HEAD + BALANCE.format(by="hash of field sensor") + LUX + DUB + ROM)
    up(server, fars)
    led(server, "lux", "dub", "rom")
    client = make(zmq.DEALER, connect=here)
    before = places(client, fars)
    assert set(Counter(before.values())) == {"lux", "dub", "rom"}
    drop(fars.pop("dub"), server, "dub")
    led(server, "lux", "rom")
    without = places(client, fars)
    assert "dub" not in without.values()
    assert all(without[key] == name for key, name in before.items() if name != "dub")
    fars["dub"] = far(3)
    led(server, "lux", "dub", "rom")
    assert places(client, fars) == before


def places(client, fars):
    """Send messages of 100 sensors in one go; which far side got which."""
    for number in range(100):
        body(client, json.dumps({"sensor": number}).encode())
    found = {}
    poller = zmq.Poller()
    for one in fars.values():
        poller.register(one, zmq.POLLIN)
    names = {one: name for name, one in fars.items()}
    while len(found) < 100:
        for socket, _ in poller.poll(60_000):
            found[json.loads(socket.recv_multipart()[-1])["sensor"]] = names[socket]
    return found


def test_a_reload_without_a_member_gives_what_waits_there_to_the_others(
    start, make, here, far, fill
):
    server = start(HEAD + BALANCE.format(by="turn") + LUX + DUB + ROM)
    client = make(zmq.DEALER, connect=here)
    for name in ("lux", "dub", "rom"):
        server.wait_for(f"no connection link=h:{name}")
    for number in range(300):
        body(client, b"%d" % number)
    server.wait_for("no connection link=h:rom")
    rom = far(4)
    up(server, ("rom",))
    assert sorted(map(int, bodies(rom, 300))) == list(range(300))
    drop(rom, server, "rom")
    for number in range(300):
        body(client, b"%d" % number)
    client.send_multipart([b"", b"data", b"last"])
    dub = far(3)
    server.reload(fill(HEAD + FAILOVER.replace("h:lux, h:dub", "h:dub, h:new") + DUB
                       + LINK.format(name="new", port="PORT5")))  # fmt: skip
    seen = bodies(dub, 301)
    assert sorted(seen) == sorted([b"%d" % number for number in range(300)] + [b"last"])


def test_a_full_member_holds_senders_back_until_another_takes_over(
    start, dial, far, await_dial, led, until
):
    """on-full = block: nothing is dropped, and the senders go on when the messages have moved."""
    small = "queue = 64 KiB\non-full = block\n"
    dub = far(3)
    server = start(HEAD + FAILOVER + LUX + small + DUB + small)
    lux = await_dial("PORT2").greet()
    up(server, ("lux", "dub"))
    led(server, "lux")
    client = dial().greet()
    client.sock.setblocking(False)
    sent, rest = 0, b""

    def held_back():
        nonlocal sent, rest
        with suppress(BlockingIOError):
            while True:
                if not rest:
                    rest = client.connection.send([b"", b"data", b"%d " % sent + bytes(30_000)])
                    sent += 1
                rest = rest[client.sock.send(rest) :]
        return server.status()["links"][0]["sink"]["fill"] >= 1

    until(held_back)
    client.sock.settimeout(60)
    lux.reset()
    led(server, "dub")
    client.sock.sendall(rest)
    numbers = []
    while not numbers or numbers[-1] < sent - 1:
        numbers.append(int(dub.recv_multipart()[-1].split()[0]))
    assert numbers == list(range(numbers[0], sent))
    assert "dropped" not in " ".join(server.lines)


def test_pools_of_workers_are_members_as_well(start, make, here, fill, led):
    pools = "".join(
        f"[h:{name}]\nhandler = zmq\nsocket = push\nbind = tcp://127.0.0.1:PORT{number}\n"
        for number, name in ((2, "lux"), (3, "dub"))
    )
    server = start(HEAD + FAILOVER + pools)
    client = make(zmq.DEALER, connect=here)
    for number in range(100):
        body(client, b"%d" % number)
    dub = make(zmq.PULL, connect=fill("tcp://127.0.0.1:PORT3"))
    assert [dub.recv_multipart() for _ in range(100)] == [[b"%d" % n] for n in range(100)]
    lux = make(zmq.PULL, connect=fill("tcp://127.0.0.1:PORT2"))
    led(server, "lux")
    body(client, b"first")
    assert lux.recv_multipart() == [b"first"]


CHAIN = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT5
cc-role = local
[routes]
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT1
delivery = acknowledged
window = 16 KiB
reconnect = 10 ms
"""
ACKNOWLEDGED = "delivery = acknowledged\n"


@pytest.mark.parametrize(
    "handler", [FAILOVER, BALANCE.format(by="hash of field n")], ids=["failover", "balance"]
)
def test_what_a_member_may_have_goes_to_another_and_its_source_is_told(
    start, make, fill, until, handler
):
    """A far side stands still with messages that the server before this one waits for: they go to
    the other far side, and that one's receipts are what the source is told."""
    fars = {n: start(FAR.format(port=f"PORT{n}"), name=f"far{n}") for n in (2, 3)}
    handler, slow = handler.replace(", h:rom", ""), ACKNOWLEDGED + HEARTBEAT
    server = start(HEAD + handler + LUX + slow + DUB + ACKNOWLEDGED, name="middle")
    source = start(CHAIN, name="source")
    up(server, ("lux", "dub"))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT5"))
    fars[2].process.send_signal(signal.SIGSTOP)
    for number in range(1000):
        client.send_multipart([b"", b"data", b'{"n": %d}' % number, b"", bytes(100)])
    until(lambda: received(source) == 1000)
    until(lambda: source.status()["sinks"]["waiting"] == 0)
    assert received(fars[3]) == 1000
    until(lambda: server.status()["sinks"]["waiting"] == 0)
    fars[2].process.send_signal(signal.SIGCONT)
