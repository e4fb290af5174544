"""What a server says of itself is the same everywhere: status, metrics, infofile, log, ledger."""

import json
import random
import re
import urllib.error
import urllib.request

import pytest
import zmq
from prometheus_client.openmetrics.parser import text_string_to_metric_families

SECONDS = 60
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
infofile = %(config_dir)s/info
stats-period = 1 h
plugins = %(config_dir)s/plugins
linger = 0 ms
[routes]
dead = h:dead
site = h:site
both = h:site, h:dead
raise = h:raise
echo = h:echo
[h:echo]
handler = echo
[h:raise]
handler = raise
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
queue-messages = 50
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
reconnect-max = 50 ms
required = yes
"""
SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT4
cc-role = remote
[routes]
site = h:bin
[h:bin]
handler = disposer
"""
RAISE = '''
"""Raises for each message."""
from ccproxy import Handler


class Raise(Handler):
    def handle(self, message):
        raise ValueError("on purpose")
'''
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
TYPES = (b"dead", b"site", b"both", b"raise", b"echo.request", b"nowhere", b"")


@pytest.fixture
def plugins(tmp_path):
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)
    (folder / "raise.py").write_text(RAISE)


def get(port, path, accept="application/openmetrics-text; version=1.0.0"):
    """The code and the text of an answer."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text):
    """Values by metric, and behind it the values of its labels in the order of their names."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): int(one.value)
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def status_of(server):
    done = server.verb("status", "--json")
    done.check_returncode()
    return json.loads(done.stdout)


def counted(lines):
    """The section [total] of an infofile."""
    text = "\n".join(lines)
    part = re.search(r"\[total\]\n(.*?)\n\n", text, re.DOTALL)[1]
    return {name: int(value) for name, value in (line.rsplit(": ", 1) for line in part.split("\n"))}


def some_traffic(dice, server, dial, make, start):
    """Messages of all kinds, cut off clients, and a site that is killed and started again."""
    site = start(SITE, "site")
    server.wait_for_count("link up link=h:site", 1)
    for round in range(4):
        for _ in range(dice.randint(2, 4)):
            wire = dial().greet()
            for _ in range(dice.randint(1, 60)):
                name = dice.choice(TYPES)
                body = json.dumps(REQUEST).encode() if name == b"echo.request" else bytes(99)
                wire.send(b"", name, body, b"")
            dice.choice((wire.reset, wire.sock.close, lambda: None))()
        if round == 1:
            site.kill()
            start(SITE, "site")
            server.wait_for_count("link up link=h:site", 2)
    last = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")
    for _ in range(70):  # at least these are too many for the queue of h:dead
        last.send_multipart([b"", b"dead", b"x", b""])
    last.send_multipart([b"", b"echo.request", json.dumps(REQUEST).encode(), b""])
    last.recv_multipart()


@pytest.mark.parametrize("seed", [1, 2])
def test_all_figures_agree_after_a_run_with_drops_and_kills(
    start, dial, make, until, plugins, seed
):
    server = start(SERVER)
    server.tracebacks = True
    some_traffic(random.Random(seed), server, dial, make, start)
    # What peers have sent before they were closed may still be read.
    status = until(lambda: steady(server))
    found = samples(get(server.ports["PORT2"], "/metrics")[1])
    ledger = status["ledger"]
    assert found["ccserver_received_messages_total",] == ledger["received"]
    assert found["ccserver_received_bytes_total",] == ledger["bytes"]
    fates = {key[1]: value for key, value in found.items() if key[0] == "ccserver_messages_total"}
    assert {fate: count for fate, count in fates.items() if count} == ledger["fates"]
    assert sum(fates.values()) == ledger["received"]
    losses = status["sinks"]["losses"]
    assert {
        key[1:]: value
        for key, value in found.items()
        if key[0] == "ccserver_dropped_messages_total"
    } == {(why, where): count for where, one in losses.items() for why, count in one.items()}
    assert losses["h:dead"]["full"] >= 20
    raised = ledger["fates"]["failed"]
    assert found["ccserver_handler_faults_total", "failed", "h:raise"] == raised > 0
    for link in status["links"]:
        for name in ("queued", "sent"):
            metric = f"ccserver_link_{name}_messages_total"
            assert found[metric, link["section"]] == link["sink"][name]
    assert ledger["fates"]["unrouted"] and ledger["fates"]["malformed"]
    server.stop()
    ended = server.ledger()
    assert ended == {"received": ledger["received"], **ledger["fates"]}
    info = counted((server.directory / "info").read_text().splitlines())
    assert (info["count"], info["bytes"]) == (ledger["received"], ledger["bytes"])
    assert info["count.crashed"] == raised
    assert info["dropped.h:dead.full"] == losses["h:dead"]["full"]


def steady(server):
    """The status, once two in a row say the same."""
    first, second = status_of(server), status_of(server)
    parts = ("ledger", "sinks", "links", "peers")
    return second if all(first[one] == second[one] for one in parts) else None


def test_ready_while_the_required_link_is_up(start, until, plugins):
    site = start(SITE, "site")
    server = start(SERVER)
    port = server.ports["PORT2"]
    until(lambda: get(port, "/readyz") == (200, "ready\n"))
    site.stop()
    until(lambda: get(port, "/readyz")[0] == 503)
    assert re.fullmatch(r"\[h:site\] is \w+, and required\n", get(port, "/readyz")[1])
    assert get(port, "/healthz") == (200, "ok\n")
    code, text = get(port, "/status.json")
    assert code == 200 and "127.0.0.1" not in text
