"""graph and explain --live at a real server with traffic, a link that is down, and drops."""

import json

import pytest

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 0 ms
[routes]
job = h:dead
job.small = h:bin
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
queue-messages = 2
[h:bin]
handler = disposer
"""


@pytest.fixture
def server(start, dial, until):
    server = start(SERVER)
    wire = dial().greet()
    for type in (b"job.x", b"job.small", b"job.x", b"job.x", b"other"):
        wire.send(b"", type, b"1")
    until(lambda: json.loads(server.verb("status", "--json").stdout)["ledger"]["received"] == 5)
    return server


def test_the_graph_shows_what_is_wrong(server):
    lines = server.verb("graph", "--seconds", "0.01").stdout.splitlines()
    assert lines[0].startswith("from listener ccserver (cc tcp://127.0.0.1:")
    assert lines[1] == "server"
    [link] = [one for one in lines if " link h:dead" in one]
    assert link.strip().startswith("! link h:dead (tcp://127.0.0.1:")
    assert ", waiting 2, dropped full:2)" in link
    assert (
        server.verb("graph", "--format", "dot", "--seconds", "0.01").stdout.count("color=red") == 1
    )


def test_the_live_flow_has_the_counts(server):
    done = server.verb("explain", "job.x", "job.small", "--live", "--json")
    large, small = json.loads(done.stdout)
    assert done.returncode == 0
    assert large["flow"]["messages"] == 3 and small["flow"]["messages"] == 1
    [place] = large["destinations"]
    assert (place["to"], place["queued"], place["waiting"], place["dropped"]) == (
        "h:dead", 4, 2, {"full": 2},
    )  # fmt: skip
    assert place["fill"] == 1.0
    done = server.verb("explain", "other", "--live")
    assert done.returncode == 1 and "nowhere: they are unrouted" in done.stdout


def test_a_reload_forgets_no_count_of_a_type(server, dial, until):
    def first_line(*words):
        return server.verb(*words).stdout.splitlines()[0]

    server.verb("reload").check_returncode()
    since = "a reload or a destination changed its flow"
    said = f"3 messages, 36 bytes, none since {since}; its route has"
    assert first_line("why", "job.x") == f"job.x: {said} h:dead"
    done = server.verb("explain", "job.x", "--live")
    assert done.returncode == 0 and done.stdout.startswith(f"job.x: {said}\n")
    [row] = [line.split() for line in done.stdout.splitlines() if line.startswith("  h:dead")]
    assert row[1] == "link" and row[-1] == "full:2"
    dial().greet().send(b"", b"job.x", b"1")
    said = f"job.x: 4 messages, 48 bytes, 3 of them before {since}"
    until(lambda: first_line("explain", "job.x", "--live") == said)
    assert first_line("why", "job.x") == f"{said}; they go to h:dead"
