"""A bus at two sites: conf/bus-site-a.ini and conf/bus-site-b.ini with sockets of libzmq."""

import re
from pathlib import Path

import zmq

from ccproxy.testing.server import RunningServer, free_ports

CONF = Path(__file__).parents[2] / "conf"
PORTS = r"\b(?:226|55)\d\d\b"
COUNT = 50


def test_what_is_published_at_a_site_comes_to_each_subscriber_once(tmp_path, make):
    texts = {site: (CONF / f"bus-site-{site}.ini").read_text("utf-8") for site in "ab"}
    words = sorted(set(re.findall(PORTS, "".join(texts.values()))))
    ports = dict(zip(words, free_ports(len(words)), strict=True))
    servers = []
    for site, text in texts.items():
        (tmp_path / site).mkdir()
        text = re.sub(PORTS, lambda word: str(ports[word[0]]), text)
        (tmp_path / site / "server.ini").write_text(text, "utf-8")
        servers.append(RunningServer(tmp_path / site, ports))
    try:
        for server in servers:
            server.wait_for("ready data-path", 60)
        subscribers = [make(zmq.SUB, connect=address(ports, port)) for port in ("5556", "5566")]
        publishers = [make(zmq.XPUB, connect=address(ports, port)) for port in ("5555", "5565")]
        for one in subscribers:
            one.subscribe(b"")
        tried = try_until_heard(publishers, subscribers)
        for one in subscribers:
            assert published(publishers, one, subscribers) == sorted(
                [b"site %d" % site, b"%d" % number] for site in range(2) for number in range(COUNT)
            )
    finally:
        assert [server.stop(60) for server in servers] == [0, 0]
    # An echo would make the site that gets it count more; what a publisher sent before it knew of
    # a subscription did not leave it.
    counts = [int(re.findall(r"received=(\d+)", one.wait_for("ledger "))[0]) for one in servers]
    least = 2 * len(subscribers) * COUNT
    assert counts[0] == counts[1] and least < counts[0] <= least + 2 * tried


def try_until_heard(publishers, subscribers):
    """Publish at each site until each subscriber hears both; how often that was."""
    heard = [set() for _ in subscribers]
    tried = 0
    while not all(len(some) == len(publishers) for some in heard):
        tried += 1
        for site, one in enumerate(publishers):
            one.send_multipart([b"try", b"%d" % site])
        for some, one in zip(heard, subscribers, strict=True):
            while one.poll(5):
                some.add(one.recv_multipart()[1])
    return tried


def published(publishers, chosen, subscribers):
    """Publish at both sites; what the chosen subscriber gets; all others get as much."""
    for site, one in enumerate(publishers):
        for number in range(COUNT):
            one.send_multipart([b"site %d" % site, b"%d" % number])
    seen = {}
    for one in subscribers:
        seen[one] = []
        while len(seen[one]) < 2 * COUNT:
            frames = one.recv_multipart()
            if frames[0] != b"try":
                seen[one].append(frames)
        assert not one.poll(50)
    return sorted(seen[chosen])


def address(ports, word):
    return f"tcp://127.0.0.1:{ports[word]}"
