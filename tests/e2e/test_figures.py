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
OTHER = (
    SERVER.replace("queue-messages = 50", "queue-messages = 40").replace(
        "echo = h:echo", "echo = h:echo, h:new"
    )
    + "[h:new]\nhandler = disposer\n"
)
"""The same with another limit, and with one more handler: what is known of types is forgotten."""
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
        if "le" not in one.labels
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


def some_traffic(dice, server, dial, make, start, fill):
    """Messages of all kinds, cut off clients, reloads, and a site that is killed and started."""
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
        server.reload(fill(OTHER if round % 2 == 0 else SERVER))
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
def test_all_figures_agree_after_a_run_with_drops_kills_and_reloads(
    start, dial, make, until, plugins, fill, seed
):
    server = start(SERVER)
    server.tracebacks = True
    some_traffic(random.Random(seed), server, dial, make, start, fill)
    # What peers have sent before they were closed may still be read.
    status = until(lambda: steady(server))
    found = samples(get(server.ports["PORT2"], "/metrics")[1])
    ledger = status["ledger"]
    assert found["ccserver_received_messages_total",] == ledger["received"]
    assert found["ccserver_received_bytes_total",] == ledger["bytes"]
    [listener] = status["listeners"]
    came = found["ccserver_listener_received_messages_total", "ccserver"]
    assert came == listener["received"] == ledger["received"]
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
    page = json.loads(get(server.ports["PORT2"], "/status.json")[1])
    assert page["ledger"] == ledger
    assert page["sinks"]["losses"] == losses
    for one, other in zip(page["links"], status["links"], strict=True):
        counts = ("queued", "sent", "waiting", "bytes", "dropped", "fill")
        assert [one["sink"][name] for name in counts] == [other["sink"][name] for name in counts]
    assert ledger["fates"]["unrouted"] and ledger["fates"]["malformed"]
    server.stop()
    ended = server.ledger()
    assert ended == {"received": ledger["received"], **ledger["fates"]}
    info = counted((server.directory / "info").read_text().splitlines())
    assert (info["count"], info["bytes"]) == (ledger["received"], ledger["bytes"])
    assert info["count.crashed"] == raised
    assert info["dropped.h:dead.full"] == losses["h:dead"]["full"]


DELIVERING = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
plugins = %(config_dir)s/plugins
accept-timeout = 1 h
linger = 0 ms
[routes]
site = h:site
spool = h:spool
keep = h:keep
[h:keep]
handler = keep
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
delivery = acknowledged
[h:spool]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
delivery = acknowledged
spool = %(config_dir)s/spool
"""
FAR_SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT3
cc-role = remote
http = 127.0.0.1:PORT4
plugins = %(config_dir)s/../server/plugins
[routes]
site.good = h:bin
spool.good = h:bin
site.bad = h:raise
spool.bad = h:raise
[h:bin]
handler = disposer
[h:raise]
handler = raise
"""
KEEP = '''
"""Never says what became of its messages."""
from ccproxy import Accepted, Handler


class Keep(Handler):
    def handle(self, message):
        return Accepted(message)
'''


def test_figures_of_acknowledged_delivery_agree(start, make, until, plugins, tmp_path):
    (tmp_path / "server" / "plugins" / "keep.py").write_text(KEEP)
    server = start(DELIVERING)
    site = start(FAR_SITE, "site")
    server.tracebacks = site.tracebacks = True
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")
    for name, messages in ((b"good", 20), (b"bad", 3)):
        for _ in range(messages):
            for link in (b"site.", b"spool."):
                client.send_multipart([b"", link + name, b"x", b""])
    for _ in range(2):
        client.send_multipart([b"", b"keep", b"x", b""])

    def ended():
        page = json.loads(get(server.ports["PORT2"], "/status.json")[1])
        idle = page["sinks"]["waiting"] == 0 and page["ledger"]["received"] == 48
        return page if idle else None

    page = until(ended)
    found = samples(get(server.ports["PORT2"], "/metrics")[1])
    status = status_of(server)
    links = {one["section"]: one for one in status["links"]}
    for section, shown in ((one["section"], one["delivery"]) for one in page["links"]):
        delivery = links[section]["delivery"]
        assert delivery["acknowledged"] == 20 == links[section]["sink"]["sent"]
        assert delivery["refused"] == {"failed": 3} == links[section]["sink"]["dropped"]
        metrics = {
            "unacknowledged_messages": "unacknowledged", "unacknowledged_bytes": "in_flight",
            "acknowledged_messages_total": "acknowledged", "resent_messages_total": "resent",
            "duplicate_messages_total": "duplicates", "doubts_total": "doubts",
        }  # fmt: skip
        for metric, name in metrics.items():
            assert found[f"ccserver_link_{metric}", section] == delivery[name] == shown[name]
        assert found["ccserver_link_refused_messages_total", "failed", section] == 3
        assert found["ccserver_link_in_doubt", section] == 0
    spool = links["h:spool"]["delivery"]["spool"]
    assert spool["commits"] > 0 and links["h:site"]["delivery"]["spool"] is None
    assert found["ccserver_link_spool_bytes", "h:spool"] == spool["bytes"] == 0
    assert found["ccserver_link_spool_failures_total", "h:spool"] == spool["failures"] == 0
    [keep] = [one for one in status["handlers"] if one["section"] == "h:keep"]
    assert found["ccserver_handler_accepted_messages", "h:keep"] == keep["accepted"] == 2
    assert "2 accepted messages without an outcome" in server.verb("status").stdout
    there = status_of(site)
    assert there["listeners"][0]["received"] == there["ledger"]["received"] == 46
    assert there["received"] == {"links": 2, "gaps": 0, "duplicates": 0, "refused": 6}
    found = samples(get(site.ports["PORT4"], "/metrics")[1])
    assert found["ccserver_refused_messages_total",] == 6
    assert found["ccserver_remembered_links",] == 2
    said = server.verb("why", "site.bad").stdout
    assert "dropped failed=3" in said and "the far side did not take 3 messages: failed" in said


def steady(server):
    """The status, once two in a row say the same, but for how old what waits is."""
    first, second = status_of(server), status_of(server)
    parts = ("ledger", "sinks", "links", "peers")
    same = all(without_ages(first[one]) == without_ages(second[one]) for one in parts)
    return second if same else None


def without_ages(value):
    """A part of a status without what time alone changes."""
    if isinstance(value, list):
        return list(map(without_ages, value))
    if not isinstance(value, dict):
        return value
    return {name: without_ages(one) for name, one in value.items() if name != "age"}


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


def test_latencies_of_hops_and_handlers(start, make, until, plugins):
    server = start(SERVER)
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")

    def counted():
        client.send_multipart([b"", b"echo.request", json.dumps(REQUEST).encode(), b""])
        client.recv_multipart()
        text = get(server.ports["PORT2"], "/metrics")[1]
        assert '_seconds_bucket{le="0.001"} ' in text
        found = samples(text)
        names = "handover", "send"
        hops = [found[f"ccserver_{name}_seconds_count",] for name in names]
        return all(hops) and found["ccserver_handle_seconds_count", "h:echo"]

    until(counted)
    names = {(one["name"], one["section"]) for one in status_of(server)["latencies"]}
    assert {("handover", ""), ("send", ""), ("handle", "h:echo"), ("handle", "h:raise")} <= names
