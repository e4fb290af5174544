"""What test_programs.py asks of bluesky: runs whose documents travel, and who gets them.

    bluesky_documents.py publish|dispatch PLAIN-ADDRESS CURVE-ADDRESS KEYS

The prefix `one` uses the plain address, `two` the one with CURVE. Each prints JSON, one per line.
"""

import hashlib
import json
import queue
import select
import sys
import threading
import time
from pathlib import Path

from bluesky import RunEngine
from bluesky.callbacks.zmq import ClientCurve, Publisher, RemoteDispatcher
from bluesky.plans import count

POINTS = 100
PROBE = {"uid": "probe", "time": 0.0}


class Camera:
    """A detector with a large picture."""

    name = "camera"
    parent = None

    def describe(self):
        return {"camera": {"source": "here", "dtype": "array", "shape": [50_000]}}

    def read(self):
        return {"camera": {"value": bytes(50_000), "timestamp": time.time()}}

    def describe_configuration(self):
        return {}

    read_configuration = describe_configuration


def curve(keys, name):
    return {"curve_config": ClientCurve(keys / f"{name}.key_secret", keys / "server.key")}


def digest(name, document):
    content = json.dumps(document, sort_keys=True, default=repr).encode()
    return [getattr(name, "name", name), hashlib.sha256(content).hexdigest()]


def publish(plain, secret, keys):
    """Send probes until a line comes in; then a run of each prefix; print what was emitted."""
    one = Publisher(plain, prefix=b"one")
    two = Publisher(secret, prefix=b"two", **curve(keys, "publisher"))
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        one("start", PROBE)
        two("start", PROBE)
    emitted = {"one": [], "two": []}
    for publisher, documents in zip((one, two), emitted.values(), strict=True):
        engine = RunEngine({})
        engine.subscribe(publisher)
        engine.subscribe(lambda *words, documents=documents: documents.append(digest(*words)))
        engine(count([Camera()], num=POINTS))
    print(json.dumps(emitted), flush=True)
    sys.stdin.read()
    one.close()
    two.close()


def dispatch(plain, secret, keys):
    """Say `ready` when a probe has come to each dispatcher, then print what came to each."""
    dispatchers = {
        "both": RemoteDispatcher(plain, strict=True),
        "one": RemoteDispatcher(plain, prefix=b"one", strict=True),
        "two": RemoteDispatcher(secret, prefix=b"two", strict=True, **curve(keys, "subscriber")),
    }
    news = queue.Queue()
    for key, dispatcher in dispatchers.items():
        dispatcher.subscribe(lambda *words, key=key: news.put((key, *words)))
        threading.Thread(target=dispatcher.start, daemon=True).start()
    silent = set(dispatchers)
    found = {key: [] for key in dispatchers}
    ends = {"both": 2, "one": 1, "two": 1}
    while any(ends.values()):
        key, name, document = news.get(timeout=60)
        if document == PROBE:
            if silent == {key}:
                print(json.dumps("ready"), flush=True)
            silent.discard(key)
            continue
        found[key].append(digest(name, document))
        ends[key] -= name == "stop"
    print(json.dumps(found), flush=True)
    for dispatcher in dispatchers.values():
        dispatcher.loop.call_soon_threadsafe(dispatcher.loop.stop)


if __name__ == "__main__":
    {"publish": publish, "dispatch": dispatch}[sys.argv[1]](*sys.argv[2:4], Path(sys.argv[4]))
