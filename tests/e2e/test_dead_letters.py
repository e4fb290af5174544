"""A message that the far side will not take goes to the dead letters, and the rest goes on."""

import json

import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
linger = 5 s
[routes]
data = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
reconnect = 10 ms
reconnect-max = 20 ms
dead-letters = h:dead
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
reconnect = 10 ms
reconnect-max = 20 ms
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
max-message = 1 MiB
[routes]
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
"""


def test_what_is_too_big_for_the_far_side_goes_to_the_dead_letters(start, make, fill):
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT4"), maxmsgsize=-1)
    dead = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"), maxmsgsize=-1)
    start(FAR, name="far")
    server = start(SERVER)
    server.wait_for("link up link=h:far")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"before"])
    assert far.recv_multipart()[-1] == b"before"
    big = bytes(20_000_000)
    client.send_multipart([b"", b"data", b"{}", b"", big])
    client.send_multipart([b"", b"data", b"behind"])
    letter = dead.recv_multipart()
    assert letter[2:4] == [b"", b"dead-letter.data"] and letter[5:] == [b"", b"{}", b"", big]
    value = json.loads(letter[4])
    assert (value["section"], value["type"]) == ("h:far", "data")
    assert value["reason"]
    assert far.recv_multipart()[-1] == b"behind"
    server.stop()
    assert server.outboxes()["h:far"]["dropped-refused"] == 1
    assert server.ledger() == {"received": 3, "forwarded": 3}


def test_a_dead_letter_that_is_refused_as_well_is_dropped(start, make, fill):
    """Both far sides take messages of 1 MiB at most: the message is dropped, and nothing loops."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT4"))
    start(FAR, name="far")
    start(FAR.replace("PORT2", "PORT3"), name="dead")
    server = start(SERVER)
    server.wait_for("link up link=h:far")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"{}", b"", bytes(20_000_000)])
    client.send_multipart([b"", b"data", b"behind"])
    server.wait_for_count("message refused link=h:dead", 1)
    assert far.recv_multipart()[-1] == b"behind"
    server.stop()
    boxes = server.outboxes()
    assert boxes["h:far"]["dropped-refused"] == boxes["h:dead"]["dropped-refused"] == 1
