"""`handler = zmq` with acknowledged delivery: PUSH to PULL, DEALER to ROUTER of another ccserver.

The far side's handler writes the number of each message to a file before the message is
acknowledged; what cuts and kills lose would be missing there.
"""

import pytest
import zmq

from tests.e2e.delivery import Sender, curve, in_order, link_of, plain, settled

SOURCE = """
[ccserver]
[listen:programs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT1
type = data
[routes]
data = h:far
[h:far]
handler = zmq
socket = SOCKET
connect = tcp://127.0.0.1:PORT3
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
linger = 5 s
delivery = acknowledged
"""
FAR_SIDE = """
[ccserver]
plugins = %(config_dir)s/plugins
[listen:sites]
protocol = zmq
socket = SOCKET
address = tcp://127.0.0.1:PORT2
type = data
[routes]
data = h:record
[h:record]
handler = record
file = %(config_dir)s/record
"""
OPPOSITES = {"push": "pull", "dealer": "router"}


@pytest.fixture
def sender(fill):
    made = Sender(fill("tcp://127.0.0.1:PORT1"), sizes=(1000,), kind=zmq.PUSH)
    yield made
    made.finish()


@pytest.mark.parametrize("socket", ["push", "dealer"])
def test_cuts_and_kills_of_the_far_side_lose_nothing(start, far, line, sender, until, socket):
    server = far(ini=FAR_SIDE.replace("SOCKET", OPPOSITES[socket]))
    source = start(SOURCE.replace("SOCKET", socket))
    for number in range(3):
        line.cut_at = line.passed + 37_111 * (number + 1)
        sender.more(400)
        until(lambda n=number: line.cuts > n, "a cut")
    until(lambda: settled(source, 1200))
    assert far.recorded == list(range(1200))
    assert server.status()["ledger"]["fates"] == {"consumed": 1200}
    sender.more(2000)
    until(lambda: len(far.recorded) > 1400)
    server.kill()
    far(ini=FAR_SIDE.replace("SOCKET", OPPOSITES[socket]))
    until(lambda: settled(source, 3200))
    assert in_order(far.recorded) == list(range(3200))
    assert link_of(source)["delivery"]["acknowledged"] == 3200


@pytest.mark.parametrize("way", [curve, plain])
@pytest.mark.parametrize("socket", ["push", "dealer"])
def test_keys_and_passwords(start, far, line, tmp_path, sender, until, socket, way):
    there, here = way(tmp_path)
    far_side = FAR_SIDE.replace("SOCKET", OPPOSITES[socket])
    far_side = far_side.replace("type = data", f"type = data\n{there}")
    server = far(ini=far_side)
    source = start(SOURCE.replace("SOCKET", socket) + here)
    line.cut_at = 37_111
    sender.more(400)
    until(lambda: line.cuts, "a cut")
    until(lambda: settled(source, 400))
    assert far.recorded == list(range(400))
    server.kill()
    sender.more(100)
    far(ini=far_side)
    until(lambda: settled(source, 500))
    assert in_order(far.recorded) == list(range(500))
    assert link_of(source)["delivery"]["acknowledged"] == 500


ANSWERING = """
[ccserver]
[listen:clients]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT1
type = call
[routes]
call = h:far
[h:far]
handler = zmq
socket = dealer
connect = tcp://127.0.0.1:PORT3
reconnect = 10 ms
reconnect-max = 50 ms
delivery = acknowledged
"""
SERVICE = """
[ccserver]
[listen:sites]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT2
type = call
[routes]
call = h:services
[h:services]
handler = zmq
socket = dealer
bind = tcp://127.0.0.1:PORT4
"""


def test_answers_come_back_to_the_program_that_asked(start, line, make, fill, until):
    start(SERVICE, "far")
    source = start(ANSWERING)
    service = make(zmq.REP, connect=fill("tcp://127.0.0.1:PORT4"))
    clients = [make(zmq.REQ, connect=fill("tcp://127.0.0.1:PORT1")) for _ in range(2)]
    for turn in range(3):
        if turn:
            line.reset()
        for number, client in enumerate(clients):
            client.send_multipart([b"what", b"%d" % number])
        for _ in clients:
            service.send_multipart([b"so", *service.recv_multipart()])
        for number, client in enumerate(clients):
            assert client.recv_multipart() == [b"so", b"what", b"%d" % number]
    until(lambda: settled(source, 6))
    assert link_of(source)["delivery"]["acknowledged"] == 6


def test_libzmq_cannot_acknowledge_and_is_refused_or_gets_messages_plainly(
    start, make, fill, sender, until
):
    program = make(zmq.PULL, bind=fill("tcp://127.0.0.1:PORT2"))
    ini = SOURCE.replace("SOCKET", "push").replace("PORT3", "PORT2")
    source = start(ini)
    sender.more(100)
    until(lambda: link_of(source)["sink"]["waiting"] == 100)
    until(lambda: link_of(source)["state"] == "refused")
    assert link_of(source)["reason"] == "the far side does not acknowledge"
    assert source.wait_for("no connection link=h:far")
    assert "does not acknowledge" in source.verb("status").stdout
    source.reload(fill(ini.replace("= acknowledged", "= acknowledged-if-possible")))
    assert [int(program.recv_multipart()[-1]) for _ in range(100)] == list(range(100))
    until(lambda: settled(source, 100))
    assert not link_of(source)["delivery"]["acknowledging"]
    assert "sent plainly" in source.verb("status").stdout


FEEDER = """
[ccserver]
[listen:programs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT1
type = data
[routes]
data = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
linger = 5 s
delivery = acknowledged
"""
HOP = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT4
cc-role = remote
[routes]
data = h:next
[h:next]
handler = zmq
socket = push
connect = tcp://127.0.0.1:PORT2
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
delivery = acknowledged
SPOOL
"""


@pytest.mark.parametrize("spool", ["", "spool = %(config_dir)s/spool"])
def test_a_kill_in_the_middle_of_a_chain_loses_nothing(start, far, sender, until, spool):
    """Receipts pass through: without a spool the first server keeps what the last one has not."""
    hop_ini = HOP.replace("SPOOL", spool)
    far(ini=FAR_SIDE.replace("SOCKET", "pull"))
    hop = start(hop_ini, "hop")
    source = start(FEEDER)
    sender.more(2000)
    until(lambda: len(far.recorded) > 200)
    hop.kill()
    start(hop_ini, "hop")
    until(lambda: settled(source, 2000))
    until(lambda: len(set(far.recorded)) == 2000)
    assert in_order(far.recorded) == list(range(2000))
