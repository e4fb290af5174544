"""What test_old_libzmq.py asks of an old pyzmq: a job, an address; runs in any Python since 2.7."""

import hashlib
import json
import sys

import zmq

SECONDS = 60
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"echo.request", json.dumps(REQUEST).encode("ascii"), b""]
SIZES = [0, 1, 255, 256, 65536, 1 << 20]


def socket(kind, **options):
    made = zmq.Context.instance().socket(kind)
    made.linger = 0
    made.setsockopt(zmq.RCVTIMEO, SECONDS * 1000)
    for name, value in options.items():
        made.setsockopt(getattr(zmq, name), value)
    return made


def client(address):
    """Requests on a DEALER and on a REQ, then bodies that come back as they went."""
    made = socket(zmq.DEALER, IDENTITY=b"old")
    made.connect(address)
    found = []
    for number in range(20):
        made.send_multipart([_id(number), b""] + ASK)
        found.append([part.decode("ascii") for part in made.recv_multipart()[:3]])
    request = socket(zmq.REQ)
    request.connect(address)
    for _ in range(20):
        request.send_multipart(ASK)
        found.append([request.recv_multipart()[0].decode("ascii")])
    for size in SIZES:
        frames = [b"", b"data.x", b"{}", b"", b"z" * size, b"", b"more"]
        made.send_multipart(frames)
        found.append(made.recv_multipart() == frames)
    # Whatever else arrives was never sent to this user: a PING it does not know, for example.
    found.append(bool(made.poll(300)))
    return found


def _id(number):
    return ("Q" + str(number)).encode("ascii")


def far(address):
    """A ROUTER that sends back what comes; the digest of all bodies at the end."""
    made = socket(zmq.ROUTER)
    made.bind(address)
    digest = hashlib.sha256()
    for _ in SIZES:
        frames = made.recv_multipart()
        digest.update(frames[-3])
        made.send_multipart(frames)
    return [digest.hexdigest(), bool(made.poll(300))]


print(json.dumps({"client": client, "far": far}[sys.argv[1]](sys.argv[2])))
