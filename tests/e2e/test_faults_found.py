"""Faults that an operator finds with the verbs alone: the section, the reason and the number."""

import json

import pytest
import zmq
import zmq.auth

from ccproxy.commands.keygen import certificates

PLUGINS = {
    "raise": "raise ValueError('on purpose')",
    "slow": "time.sleep(0.1)",
}
PLUGIN = '''
"""A plugin for a test."""
import time

from ccproxy import Handler


class Plugin(Handler):
    def handle(self, message):
        {work}
'''
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 0 ms
plugins = %(config_dir)s/plugins
[routes]
data = h:site
raise = h:raise
slow = h:slow
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
queue-messages = 50
{more}
[h:raise]
handler = raise
[h:slow]
handler = slow
"""


def ask(word, server, *words):
    """The exit status of a verb, and its output, as JSON unless it is `probe`."""
    json_too = () if word == "probe" else ("--json",)
    done = server.verb(word, *words, *json_too)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout) if json_too else done.stdout


def findings(server, type):
    """What `why` says: place, reason and number; on a busy machine any call may be slow as well."""
    _, value = ask("why", server, type)
    found = {(one["place"], one["reason"]): one["messages"] for one in value["findings"]}
    return {key: number for key, number in found.items() if key[1] != "slow" or key[0] == "h:slow"}


@pytest.fixture
def server(start, tmp_path):
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)
    for name, work in PLUGINS.items():
        (folder / f"{name}.py").write_text(PLUGIN.format(work=work))

    def server(more=""):
        made = start(SERVER.replace("{more}", more))
        made.tracebacks = True
        return made

    return server


def send(wire, type, count):
    for _ in range(count):
        wire.send(b"", type, b"x")


def test_a_dead_site(server, dial, until):
    one = server()
    send(dial().greet(), b"data.x", 20)
    until(lambda: findings(one, "data.x") == {("h:site", "refused"): 20})
    [link] = ask("status", one, "links")[1]
    assert (link["section"], link["state"], link["reason"], link["sink"]["waiting"]) == (
        "h:site", "refused", "Connection refused", 20,
    )  # fmt: skip
    code, line = ask("probe", one, "--seconds", "0.1")
    assert code == 1
    assert line.startswith("CCSERVER WARNING: h:site is refused (Connection refused) | ")


def test_a_dead_site_that_is_required_is_critical(server):
    code, line = ask("probe", server("required = yes"), "--seconds", "0.1")
    assert code == 2 and line.startswith("CCSERVER CRITICAL: h:site is ")


def test_a_full_queue(server, dial, until):
    one = server()
    send(dial().greet(), b"data.x", 80)
    until(lambda: findings(one, "data.x").get(("h:site", "full")) == 30)
    _, status = ask("status", one)
    assert status["sinks"]["losses"] == {"h:site": {"full": 30}}
    assert status["ledger"]["fates"] == {"forwarded": 50, "full": 30}


def test_a_wrong_type(server, dial, until):
    one = server()
    send(dial().greet(), b"dta.x", 7)
    until(lambda: findings(one, "dta.x") == {("dta.x", "unrouted"): 7})
    _, types = ask("status", one, "types")
    assert [(found["type"], found["to"], found["messages"]) for found in types] == [
        ("dta.x", ["unrouted"], 7)
    ]


def test_a_plugin_that_raises(server, dial, until):
    one = server()
    send(dial().greet(), b"raise.x", 6)
    until(lambda: findings(one, "raise.x") == {("h:raise", "failed"): 6})
    handlers = {found["section"]: found["faults"] for found in ask("status", one, "handlers")[1]}
    assert handlers["h:raise"]["failed"] == 6
    assert not handlers["h:site"].keys() - {"slow"}
    assert ask("status", one)[1]["ledger"]["fates"] == {"failed": 6}


def test_a_slow_handler(server, dial, until):
    one = server()
    send(dial().greet(), b"slow.x", 3)
    until(lambda: findings(one, "slow.x") == {("h:slow", "slow"): 3})
    handlers = {found["section"]: found["faults"] for found in ask("status", one, "handlers")[1]}
    assert handlers["h:slow"] == {"slow": 3}


BUS = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 0 ms
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT3
queue = 1 MiB
"""


def test_a_subscriber_that_does_not_read(start, dial, make, until):
    one = start(BUS)
    stuck = dial("PORT3", b"SUB", buffer=4096).greet()
    stuck.send(b"\1")
    publisher = make(zmq.PUB, f"tcp://127.0.0.1:{one.ports['PORT2']}", sndhwm=0)
    host, port = stuck.sock.getsockname()

    def dropped():
        for _ in range(100):
            publisher.send(bytes(100_000))
        _, status = ask("status", one)
        return status["sinks"]["losses"].get("h:subscribers", {}).get("full")

    until(dropped)
    publisher.close()
    until(lambda: ask("status", one)[1]["listeners"][1]["peers"] == 0)
    _, peers = ask("status", one, "peers")
    [found] = [peer for peer in peers if peer["sink"]["name"].endswith(f"{host}:{port}")]
    _, status = ask("status", one)
    assert found["listener"] == "h:subscribers"
    assert found["sink"]["dropped"] == status["sinks"]["losses"]["h:subscribers"]
    number = found["sink"]["dropped"]["full"]
    assert status["ledger"]["fates"]["full"] == number
    until(lambda: findings(one, "bus").get(("h:subscribers", "full")) == number)
    # They are those of the section, also when another handler takes its place, and at the end.
    text = (one.directory / "server.ini").read_text("utf-8")
    one.reload(text.replace("socket = xpub", "socket = xpub\nmax-prefix = 1000"))
    _, status = ask("status", one)
    assert status["sinks"]["losses"]["h:subscribers"]["full"] == number
    one.stop()
    [said] = [line for line in one.lines if "dropped destination=" in line]
    assert f"dropped destination=h:subscribers full={number}" in said


SECURE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
curve-secret = ../keys/server.key_secret
curve-allow = ../keys/allowed
[routes]
"""


def test_a_refused_key(start, make, until, tmp_path):
    folder = tmp_path / "keys"
    (folder / "allowed").mkdir(parents=True)
    for name in ("server", "stranger"):
        assert certificates(folder / name) == 0
    one = start(SECURE)
    public, secret = zmq.auth.load_certificate(folder / "stranger.key_secret")
    server_key, _ = zmq.auth.load_certificate(folder / "server.key")
    make(
        zmq.DEALER, f"tcp://127.0.0.1:{one.ports['PORT1']}", curve_publickey=public,
        curve_secretkey=secret, curve_serverkey=server_key, reconnect_ivl=60_000,
    )  # fmt: skip

    def refused():
        [listener] = ask("status", one, "listeners")[1]
        return (listener["section"], listener["counts"].get("key-refused"))

    until(lambda: refused() == ("ccserver", 1))
    one.wait_for(f"key {public.decode()} is not allowed")
