"""Programs that bind: listeners and devices connect to them, and those that ask get answers."""

import pytest
import zmq

CHAIN = """
[ccserver]
[h:bus]
handler = forwarder
in-connect = tcp://127.0.0.1:PORT1
out-connect = tcp://127.0.0.1:PORT2
[h:jobs]
handler = streamer
in-connect = tcp://127.0.0.1:PORT3
out = tcp://127.0.0.1:PORT4
[h:more-jobs]
handler = streamer
in-connect = tcp://127.0.0.1:PORT4
out-connect = tcp://127.0.0.1:PORT5
[h:calls]
handler = queue
in-connect = tcp://127.0.0.1:PORT6
out-connect = tcp://127.0.0.1:PORT7
[DEFAULT]
reconnect = 20 ms
reconnect-max = 50 ms
"""


def test_devices_that_connect(start, make, fill, until):
    """Everybody else binds, before the server starts or after it."""

    def bound(kind, number, **options):
        return make(kind, bind=fill(f"tcp://127.0.0.1:PORT{number}"), **options)

    publisher, source, service = bound(zmq.XPUB, 1), bound(zmq.PUSH, 3), bound(zmq.REP, 7)
    start(CHAIN)
    subscriber, worker, client = bound(zmq.SUB, 2), bound(zmq.PULL, 5), bound(zmq.REQ, 6)
    subscriber.subscribe(b"a")
    # A SUB that is connected to sends its subscriptions when it is used next.
    until(lambda: (subscriber.poll(0), publisher.poll(20))[1])
    assert publisher.recv() == b"\1a"
    publisher.send_multipart([b"b", b""])
    publisher.send_multipart([b"a", b""])
    assert subscriber.recv_multipart() == [b"a", b""]
    source.send_multipart([b"job", b""])
    assert worker.recv_multipart() == [b"job", b""]
    for number in range(3):
        client.send(b"%d" % number)
        assert service.recv() == b"%d" % number
        service.send(b"!")
        assert client.recv() == b"!"


NEAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:calls]
protocol = zmq
socket = SOCKET
connect = tcp://127.0.0.1:PORT3
reconnect = 20 ms
reconnect-max = 50 ms
type = echo.request
[routes]
echo = h:DESTINATION
[h:echo]
handler = echo
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
[routes]
echo = h:services
[h:services]
handler = zmq
socket = SINK
bind = tcp://127.0.0.1:PORT4
"""
REQUEST = b'{"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "me"}'


@pytest.mark.parametrize("socket", ["router", "rep"])
@pytest.mark.parametrize("destination", ["echo", "far"])
def test_answers_reach_clients_that_bind(start, make, fill, socket, destination):
    """Of handlers and of other servers, whose answers carry a type; also after a reconnect."""
    near = start(NEAR.replace("SOCKET", socket).replace("DESTINATION", destination), "near")
    # A REP has to see an empty frame, which a rep listener takes off.
    start(FAR.replace("SINK", "req" if socket == "rep" else "dealer"), "far")
    service = make(zmq.REP, connect=fill("tcp://127.0.0.1:PORT4"))
    for _ in range(2):
        client = make(zmq.REQ, bind=fill("tcp://127.0.0.1:PORT3"))
        client.send(REQUEST)
        if destination == "far":
            service.send(service.recv() + b"!")
            assert client.recv() == REQUEST + b"!"
        else:
            assert b'"orig_target":"me"' in client.recv().replace(b" ", b"")
        client.close()
    near.stop()
    assert sum(near.ledger().values()) == 2 * near.ledger()["received"]
    assert near.ledger()["replied"] == 2
