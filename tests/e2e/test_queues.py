"""Full queues: what each policy keeps, and that `block` loses nothing."""

import json
import threading

import pytest
import zmq

from ccproxy.wire.zmtp import pack

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
{server}
[routes]
data = h:next
side = h:side
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
reconnect = 20 ms
reconnect-max = 20 ms
{link}
[h:side]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]


def body(number):
    return b"%06d" % number + bytes(994)


WIRE = len(pack([b"\0" * 5, b"", b"data", body(0)]))
"""Bytes a message takes in the queue."""


def number(frames):
    return int(frames[-1][:6])


def drain(far, count, first=0):
    """The numbers of the messages that arrive until this many have."""
    return [number(far.recv_multipart()) for _ in range(count - first)]


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
@pytest.mark.parametrize("limit", ["bytes", "messages"])
def test_a_dead_destination_with_a_full_queue(start, dial, make, fill, policy, limit):
    keeps = 500
    size = f"queue = {keeps * WIRE + 10}" if limit == "bytes" else f"queue-messages = {keeps}"
    server = start(SERVER.format(server="", link=f"{size}\non-full = {policy}"))
    wire = dial().greet()
    for one in range(3000):
        wire.send(b"", b"data", body(one))
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    expected = range(keeps) if policy == "drop-new" else range(3000 - keeps, 3000)
    assert drain(far, keeps) == list(expected)
    wire.send(b"", b"data", body(3000))
    assert drain(far, 1) == [3000]
    server.stop()
    counts = server.outboxes()["h:next"]
    why = "dropped-full" if policy == "drop-new" else "dropped-old"
    assert (counts["queued"], counts["sent"], counts[why]) == (3001, keeps + 1, 3000 - keeps)
    if policy == "drop-new":
        fates = {"forwarded": keeps + 1, "replied": 1, "full": 3000 - keeps}
    else:
        fates = {"forwarded": 3001, "replied": 1}
    assert server.ledger() == {"received": 3002, **fates}
    assert server.count("dropped outbox=h:next") <= 3


def test_block_loses_nothing_once_the_destination_comes(start, make, fill):
    options = "queue = 300 KiB\non-full = block"
    server = start(SERVER.format(server="", link=options))
    side = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    clients = [make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1")) for _ in range(3)]

    def pump(client):
        for one in range(5000):
            client.send_multipart([b"", b"data", body(one)])

    pumps = [threading.Thread(target=pump, args=(client,)) for client in clients]
    for one in pumps:
        one.start()
    # The others go on while they wait.
    other = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for one in range(100):
        other.send_multipart([b"", b"side", body(one)])
        assert number(side.recv_multipart()) == one
        other.send_multipart(ASK)
        assert other.recv_multipart()[1] == b"echo.response"
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    seen = {}
    for _ in range(15_000):
        frames = far.recv_multipart()
        seen.setdefault(frames[1], []).append(number(frames))
    assert list(seen.values()) == [list(range(5000))] * 3
    for one in pumps:
        one.join()
    server.stop()
    assert server.ledger() == {"received": 15_200, "forwarded": 15_100, "replied": 100}


def test_block_while_the_destination_comes_and_goes(start, make, fill, await_dial):
    """What the kernel had taken when a connection broke may be lost; the rest comes in order."""
    server = start(SERVER.format(server="", link="queue = 300 KiB\non-full = block"))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))

    def pump():
        for one in range(40_000):
            client.send_multipart([b"", b"data", body(one)])

    thread = threading.Thread(target=pump)
    thread.start()
    seen = []
    for life in range(1, 4):
        far = await_dial("PORT2").greet()
        last = 39_999 if life == 3 else len(seen) + 500
        while (seen[-1] < last) if life == 3 and seen else len(seen) < last:
            seen.append(number(far.message()))
        far.sock.close()
        server.wait_for_count("link down", life)
    thread.join()
    assert seen == sorted(set(seen))
    server.stop()
    assert server.ledger() == {"received": 40_000, "forwarded": 40_000}


def test_block_towards_a_peer_that_reads_late(start, make, dial, fill):
    """Replies wait for their reader; the far side is not read meanwhile, other peers are."""
    options = "peer-queue = 200 KiB\npeer-on-full = block"
    server = start(SERVER.format(server=options, link=""))
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), sndhwm=0, rcvhwm=0)
    wire = dial(identity=b"late").greet()
    wire.send(b"", b"data", body(0))
    route = far.recv_multipart()[:2]
    for one in range(30_000):
        far.send_multipart([*route, b"", b"data", body(one)])
    other = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    other.send_multipart(ASK)
    assert other.recv_multipart()[1] == b"echo.response"
    assert [number(wire.message()) for _ in range(30_000)] == list(range(30_000))
    assert server.memory < 100 << 20


def test_a_peer_that_blocks_and_goes_away_lets_the_far_side_go_on(start, make, dial, fill):
    options = "peer-queue = 200 KiB\npeer-on-full = block"
    server = start(SERVER.format(server=options, link=""))
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), sndhwm=0, rcvhwm=0)
    wires = [dial(identity=b"gone").greet(), dial(identity=b"here").greet()]
    routes = []
    for wire in wires:
        wire.send(b"", b"data", body(0))
        routes.append(far.recv_multipart()[:2])
    for one in range(30_000):
        far.send_multipart([*routes[0], b"", b"data", body(one)])
    far.send_multipart([*routes[1], b"", b"data", body(7)])
    for _ in range(100):
        wires[0].message()
    wires[0].reset()
    assert number(wires[1].message()) == 7
    server.stop()
    assert server.ledger()["received"] == 30_003


def test_a_reload_away_from_block_lets_the_waiting_go_on(start, make, fill, until):
    blocking = SERVER.format(server="", link="queue = 100 KiB\non-full = block")
    server = start(blocking)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), sndhwm=10)
    sent = 0

    def blocked():
        nonlocal sent
        while client.poll(0, zmq.POLLOUT):
            client.send_multipart([b"", b"data", body(sent)])
            sent += 1
        return server.status()["links"][0]["sink"]["fill"] >= 1

    until(blocked)
    server.reload(fill(blocking.replace("on-full = block", "on-full = drop-new")))
    client.send_multipart(ASK)
    assert client.recv_multipart()[1] == b"echo.response"
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    assert drain(far, 90) == list(range(90))


def test_a_full_queue_of_64_mib_costs_less_than_1_6_times_that(start, dial):
    server = start(SERVER.format(server="", link=""))
    before = server.memory
    wire = dial().greet()
    chunk = pack([b"", b"data", bytes(200)]) * 1000
    while not server.count("dropped outbox=h:next"):
        wire.sock.sendall(chunk)
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"
    assert server.memory - before < 1.6 * (64 << 20)


def test_a_message_the_far_side_refuses_does_not_stop_the_others(start, make, fill):
    """The far side closes the link when the message begins: trying for ever would be of no use."""
    far = SERVER.format(server="max-message = 1 MiB", link="").replace("PORT2", "PORT4")
    start(far.replace("PORT1", "PORT2"), name="far")
    behind = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT4"))
    server = start(SERVER.format(server="", link=""))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"before"])
    assert behind.recv_multipart()[-1] == b"before"
    client.send_multipart([b"", b"data", bytes(30 << 20)])
    server.wait_for_count("link up", 2)
    client.send_multipart([b"", b"data", b"behind"])
    assert behind.recv_multipart()[-1] == b"behind"
    server.stop()
    assert server.ledger() == {"received": 3, "forwarded": 3}
