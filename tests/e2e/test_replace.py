"""A server takes the place of another one: no connect is refused and nothing is lost."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import zmq

from ccproxy.server.control_client import request
from tests.e2e.conftest import SECONDS, Wire

REPLACEMENTS = int(os.environ.get("CCPROXY_REPLACEMENTS", "3"))
"""How often a server is replaced under load."""
REPLACE = ("run", "--replace", "--replace-linger", "6 s")
"""A client on a busy machine may need seconds from its connect to the end of its request."""
REPLACE_SOON = ("run", "--replace", "--replace-linger", "1 s")
"""For clients of libzmq, which stay until the old one ends, and connect again."""
PLUGIN = """\
import time
from pathlib import Path
from ccproxy import Handler, Reply

class Odd(Handler):
    \"\"\"Answers; files beside it say whether its start waits or fails, and its stop hangs.\"\"\"

    async def start(self, ctx):
        await super().start(ctx)
        here = Path(__file__).parent
        if (here / "fail").exists():
            raise OSError("the test wants it so")
        if (here / "wait").exists():
            (here / "waits").touch()
        while (here / "wait").exists():
            await ctx.run_blocking(time.sleep, 0.01)

    def handle(self, message):
        answer = Reply("seen", {"data": message.value().get("number")})
        if message.type.endswith(".slow"):
            (Path(__file__).parent / "asked").touch()
            self.look(answer, message)
            return None
        return answer

    def look(self, answer, message):
        if (Path(__file__).parent / "answer").exists():
            self.ctx.act(answer, message)
        else:
            self.ctx.call_later(0.02, lambda: self.look(answer, message))

    async def stop(self):
        while (Path(__file__).parent / "hang").exists():
            time.sleep(0.05)
"""
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = .
pidfile = %(config_dir)s/server.pid
control = server.sock
http = 127.0.0.1:PORT3
infofile = %(config_dir)s/info
stats-period = 100 ms
[listen:file]
protocol = cc
address = ipc://%(config_dir)s/in
[listen:web]
protocol = http
address = tcp://127.0.0.1:PORT2
type = web
[routes]
ask = h:odd
web = h:odd
[h:odd]
handler = odd
"""


@pytest.fixture
def servers(start, tmp_path):
    """The first server of a folder with the plugin, and what starts the next ones."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "odd.py").write_text(PLUGIN)

    def server(ini=INI, words=(), ready=True):
        return start(ini, words=words, ready=ready)

    return server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "server"


def number_of(folder):
    """Its first line: the number may just be written."""
    return (folder / "server.pid").read_text().splitlines()[0]


class Asking(threading.Thread):
    """Asks again and again, on a new connection each time, until it is told to stop."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask = ask
        self.done = 0
        self.failures = []
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                assert self.ask(self.done) == self.done
            except Exception as error:  # whatever it is, the test wants none
                self.failures.append(f"{self.done}: {error!r}")
            self.done += 1

    def finish(self):
        self.over.set()
        self.join(SECONDS)
        return self.done


@pytest.fixture
def asking():
    """Begins to ask; whatever the test does, it ends with it."""
    made = []

    def asking(ask):
        made.append(Asking(ask))
        return made[-1]

    yield asking
    for one in made:
        one.finish()


def asks_cc(connect):
    """One request on a connection of its own, which does not connect again."""

    def ask(number):
        with connect() as sock:
            wire = Wire(sock).greet()
            value = {"req": "ask.it", "time": 1, "hostname": "h", "blob_hash": "", "number": number}
            wire.send(b"", b"ask.it", json.dumps(value).encode(), b"")
            return json.loads(wire.message()[2])["data"]

    return ask


def unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(SECONDS)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


def asks_http(port, path="/it"):
    def ask(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            body = json.dumps({"number": number})
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())["data"]
        finally:
            connection.close()

    return ask


def test_no_connect_is_refused_and_no_request_lost(servers, folder, ports, until, asking):
    """Over several replacements in a row, by clients that connect anew for each request."""
    running = [servers()]
    tcp = "127.0.0.1", ports["PORT1"]
    clients = [
        asking(asks_cc(lambda: socket.create_connection(tcp, SECONDS))),
        asking(asks_cc(lambda: unix(folder / "in"))),
        asking(asks_http(ports["PORT2"])),
    ]
    for _ in range(REPLACEMENTS):
        before = [one.done for one in clients]
        until(lambda before=before: all(
            one.done > done + 20 for one, done in zip(clients, before, strict=True)
        ))  # fmt: skip
        running.append(servers(words=REPLACE))
        assert number_of(folder) == str(running[-1].process.pid)
        assert running[-1].status()["process"]["pid"] == running[-1].process.pid
    before = [one.done for one in clients]
    until(lambda: all(one.done > done + 20 for one, done in zip(clients, before, strict=True)))
    total = sum(one.finish() for one in clients)
    assert [one.failures for one in clients] == [[], [], []]
    for one in running[:-1]:
        assert one.ended() == 0
    assert number_of(folder) == str(running[-1].process.pid)
    assert running[-1].stop() == 0
    ledgers = [one.ledger() for one in running]
    assert all(one["received"] > 0 for one in ledgers)
    assert sum(one["replied"] for one in ledgers) == total
    assert not (folder / "in").exists()
    assert not (folder / "server.sock").exists()
    assert not (folder / "server.pid").exists()


def test_verbs_reach_the_new_server(servers, folder, ports, forks):
    old = servers()
    new = servers(words=REPLACE)
    assert old.ended() == 0
    text = INI.replace("web = h:odd", "web = h:odd\nmore = h:odd")
    assert "why" not in new.verb("status").stdout
    assert f"process {new.process.pid}" in new.verb("status").stdout
    assert "no message of it came" in new.verb("why", "ask").stdout
    (folder / "server.ini").write_text(
        text.replace("PORT1", str(ports["PORT1"])).replace("PORT2", str(ports["PORT2"])).replace(
            "PORT3", str(ports["PORT3"]))
    )  # fmt: skip
    done = forks.run("-r", str(folder / "server.ini"))
    assert (done.returncode, "reloaded: routes changed" in done.stdout) == (0, True), done
    assert new.status()["routes"][-1]["prefix"] == "more"
    done = forks.run("-s", str(folder / "server.ini"))
    assert (done.returncode, new.ended()) == (0, 0)


def test_a_bad_configuration_changes_nothing(servers, folder, ports):
    old = servers()
    text = (folder / "server.ini").read_text()
    new = servers(INI.replace("handler = odd", "handler = even"), REPLACE, ready=False)
    assert new.ended() == 78
    (folder / "server.ini").write_text(text)
    assert not old.count("replaced by") and not old.count("replacement")
    assert asks_http(ports["PORT2"])(5) == 5
    assert old.stop() == 0


def test_a_start_that_fails_changes_nothing(servers, folder, ports):
    old = servers()
    (folder / "fail").touch()
    new = servers(words=REPLACE, ready=False)
    new.killed = True
    assert new.ended() == 1
    old.wait_for("not replaced by process=")
    assert any("the test wants it so" in line for line in new.lines)
    assert number_of(folder) == str(old.process.pid)
    assert old.status()["process"]["pid"] == old.process.pid
    assert asks_cc(lambda: unix(folder / "in"))(1) == 1
    (folder / "fail").unlink()
    assert servers(words=REPLACE).status()
    assert old.ended() == 0


def hanging(servers, folder, until, ini=INI):
    """The first server, and one that is about to take its place, whose start hangs."""
    old = servers(ini)
    (folder / "wait").touch()
    new = servers(ini, words=REPLACE, ready=False)
    until((folder / "waits").exists)
    return old, new


def test_the_new_one_is_killed_before_it_is_ready(servers, folder, ports, until):
    old, new = hanging(servers, folder, until)
    assert asks_http(ports["PORT2"])(1) == 1
    new.kill()
    old.wait_for("not replaced by process=")
    assert number_of(folder) == str(old.process.pid)
    assert asks_cc(lambda: unix(folder / "in"))(1) == 1
    (folder / "wait").unlink()
    last = servers(words=REPLACE)
    assert old.ended() == 0
    assert asks_cc(lambda: unix(folder / "in"))(2) == 2
    assert last.stop() == 0


def test_the_old_one_is_killed_in_the_middle(servers, folder, ports, until, asking):
    """Who connects meanwhile waits for the new one, which has the sockets already."""
    old, new = hanging(servers, folder, until)
    old.kill()
    one = asking(asks_http(ports["PORT2"]))
    other = asking(asks_cc(lambda: unix(folder / "in")))
    (folder / "wait").unlink()
    new.wait_for("ready data-path")
    until(lambda: one.done > 3 and other.done > 3)
    one.finish(), other.finish()
    assert one.failures == other.failures == []
    assert number_of(folder) == str(new.process.pid)
    assert any("has ended before it let go" in line for line in new.lines)
    assert new.stop() == 0
    assert not (folder / "in").exists()


def test_two_at_once(servers, folder, until):
    old, new = hanging(servers, folder, until)
    other = servers(words=REPLACE, ready=False)
    other.killed = True
    assert other.ended() == 1
    assert any(f"process {new.process.pid} is replacing" in line for line in other.lines)
    outcome = request("POST", "/v1/reload", [folder / "server.sock"], SECONDS).value
    assert (outcome["adopted"], "is replacing this server" in outcome["text"]) == (False, True)
    (folder / "wait").unlink()
    new.wait_for("ready data-path")
    assert old.ended() == 0


def test_the_old_one_is_stopped_in_the_middle(servers, folder, until):
    """An operator who stops the server wants none, not even the new one."""
    old, new = hanging(servers, folder, until)
    assert old.stop() == 0
    (folder / "wait").unlink()
    new.killed = True
    assert new.ended() == 1
    assert any("the old server was told to stop" in line for line in new.lines)
    assert not (folder / "server.pid").exists()


@pytest.mark.slow
def test_a_plugin_hangs_at_the_stop_of_the_old_one(servers, folder, ports):
    old = servers()
    (folder / "hang").touch()
    new = servers(words=REPLACE)
    old.wait_for("stops after its replacement")
    assert asks_http(ports["PORT2"])(1) == 1
    assert number_of(folder) == str(new.process.pid)
    assert old.ended() == 1
    old.killed = old.tracebacks = True
    assert any("odd.py" in line for line in old.lines), "the place where it hung"
    assert (folder / "server.sock").exists()
    (folder / "hang").unlink()
    assert new.stop() == 0


def test_without_a_running_server_it_is_a_start(servers):
    server = servers(words=REPLACE)
    assert any("no server to replace: " in line for line in server.lines)


def test_connections_stay_for_a_while(servers, folder, ports, dial):
    """A client that stays connected is served by the old one, until its time is over."""
    old = servers()
    wire = dial().greet()
    new = servers(words=REPLACE)
    wire.send(b"", b"ask.it", b'{"req": "ask.it", "number": 7}', b"")
    assert json.loads(wire.message()[2])["data"] == 7
    assert wire.closed()
    assert old.ended() == 0
    assert old.ledger()["replied"] == 1
    assert new.stop() == 0


def test_a_call_under_way_is_answered_by_the_old_one(servers, folder, ports, until):
    """The old one waits for it, and ends when its connection has."""
    old = servers()
    found = []
    ask = asks_http(ports["PORT2"], "/slow")
    asking = threading.Thread(target=lambda: found.append(ask(8)), daemon=True)
    asking.start()
    until((folder / "asked").exists)
    new = servers(words=("run", "--replace", "--replace-linger", "60 s"))
    old.wait_for("connections stay for at most 60 s")
    assert asks_http(ports["PORT2"])(9) == 9
    assert old.process.poll() is None and not found
    (folder / "answer").touch()
    asking.join(SECONDS)
    assert found == [8]
    assert old.ended() == 0
    assert any("connections=0 waiting=0" in line for line in old.lines)
    assert (old.ledger()["received"], new.stop(), new.ledger()["received"]) == (1, 0, 1)


def test_a_signal_to_reload_in_the_middle_changes_nothing(servers, folder, until):
    old, new = hanging(servers, folder, until)
    old.process.send_signal(signal.SIGHUP)
    old.wait_for(f"no reload: process {new.process.pid} is replacing this server")
    (folder / "wait").unlink()
    new.wait_for("ready data-path")
    assert old.ended() == 0


def test_in_the_background(servers, folder, until):
    """The parent returns when the new one accepts; the pid file has the number of that."""
    old = servers()
    done = subprocess.run(
        [sys.executable, "-m", "ccproxy", "run", "-d", "--replace", str(folder / "server.ini")],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    new = int(number_of(folder))
    assert new != old.process.pid
    assert old.ended() == 0
    assert int(number_of(folder)) == new
    try:
        status = request("GET", "/v1/status", [folder / "server.sock"], SECONDS).value
        assert status["process"]["pid"] == new
    finally:
        os.kill(new, signal.SIGTERM)
    until(lambda: not (folder / "server.pid").exists())


TO_A_SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = server.sock
[routes]
job = h:site
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
reconnect-max = 50 ms
"""
THE_SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT4
cc-role = remote
[routes]
job = h:bin
[h:bin]
handler = disposer
"""


def test_the_old_one_goes_on_to_connect_for_what_waits(start, make, until):
    """What it has in memory for a site that is down is said by both, and sent when that is back."""
    old = start(TO_A_SITE)
    with make(zmq.DEALER, f"tcp://127.0.0.1:{old.ports['PORT1']}") as client:
        for _ in range(3):
            client.send_multipart([b"", b"job", b"x", b""])
        until(lambda: old.status()["sinks"]["waiting"] == 3)
    new = start(TO_A_SITE, words=("run", "--replace", "--replace-linger", "10 m"))
    new.wait_for(f"3 messages wait in the memory of the replaced process={old.process.pid}")
    old.wait_for("link=h:site is down: messages=3 are dropped (stop) if")
    start(THE_SITE, "site")
    assert old.ended() == 0
    assert [old.outboxes()["h:site"][name] for name in ("sent", "waiting")] == [3, 0]


def test_systemd_follows_the_new_process(servers, folder, tmp_path, monkeypatch):
    """The old main process names the new one, which talks to systemd itself from then on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        old = servers()
        monkeypatch.delenv("NOTIFY_SOCKET")
        assert systemd.recv(100) == b"READY=1"
        new = servers(words=REPLACE)
        said = {systemd.recv(100), systemd.recv(100)}
        assert said == {b"MAINPID=%d" % new.process.pid, b"READY=1"}
        assert old.ended() == 0
        new.stop()
        assert systemd.recv(100) == b"STOPPING=1"


PIPELINE = """
[ccserver]
control = server.sock
linger = 10 s
[listen:jobs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT1
type = job
[listen:bus]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT3
type = bus
[routes]
job = h:workers
bus = h:subscribers
[h:workers]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT2
on-full = block
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT4
"""
JOBS = 20_000


def test_every_job_arrives_once(start, make, fill, until):
    """PUSH and PULL programs of libzmq connect again by themselves."""
    running = [start(PIPELINE)]
    sending = make(zmq.PUSH, connect=fill("tcp://127.0.0.1:PORT1"), sndhwm=100)
    worker = make(zmq.PULL, connect=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    found = []

    def work():
        while len(found) < JOBS:
            found.append(int(worker.recv()))

    def produce():
        for one in range(JOBS):
            sending.send(b"%d" % one)

    threads = [threading.Thread(target=one, daemon=True) for one in (work, produce)]
    for one in threads:
        one.start()
    for count in (JOBS // 4, JOBS // 2):
        until(lambda count=count: len(found) > count)
        running.append(start(PIPELINE, words=REPLACE_SOON))
    for one in threads:
        one.join(SECONDS)
    assert sorted(found) == list(range(JOBS))
    for one in running[:-1]:
        assert one.ended() == 0
    running[-1].stop()
    ledgers = [one.ledger() for one in running]
    assert sum(one["received"] for one in ledgers) == JOBS
    assert all(one["received"] == one.get("forwarded", 0) for one in ledgers)


def test_subscribers_get_all_that_a_server_has_received_for_them(start, make, fill, until):
    running = [start(PIPELINE)]
    publisher = make(zmq.PUB, connect=fill("tcp://127.0.0.1:PORT3"), sndhwm=0)
    subscriber = make(zmq.SUB, connect=fill("tcp://127.0.0.1:PORT4"), rcvhwm=0)
    subscriber.subscribe(b"")
    over = threading.Event()

    def publish():
        number = 0
        while not over.wait(0.0005):
            publisher.send(b"%d" % number)
            number += 1

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    found = []

    def more(count):
        wanted = len(found) + count
        while len(found) < wanted:
            found.append(int(subscriber.recv()))

    for _ in range(3):
        more(200)
        running.append(start(PIPELINE, words=REPLACE_SOON))
    more(200)
    over.set()
    thread.join()
    for one in running[:-1]:
        assert one.ended() == 0
    running[-1].stop()
    forwarded = sum(one.ledger().get("forwarded", 0) for one in running)
    more(forwarded - len(found))
    assert not subscriber.poll(200)
    assert len(set(found)) == len(found)


STATEFUL = """
[ccserver]
control = server.sock
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = .
[routes]
ask = h:store
[h:store]
handler = store
file = %(config_dir)s/state.db
"""
STORE = """\
import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from ccproxy import Handler, Reply, kinds, option

class Store(Handler):
    \"\"\"Counts in a database that it has alone.\"\"\"

    @dataclass(frozen=True, slots=True)
    class Options:
        \"\"\"Its file.\"\"\"
        file: str = option(kinds.database, help="the database")

    async def start(self, ctx):
        await super().start(ctx)
        self.db = sqlite3.connect(self.options.file, timeout=0, isolation_level=None)
        self.db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.db.execute("CREATE TABLE IF NOT EXISTS seen (number)")
        self.db.execute("INSERT INTO seen VALUES (0)")
        here = Path(__file__).parent
        if (here / "wait").exists():
            (here / "waits").touch()
        while (here / "wait").exists():
            await asyncio.sleep(0.01)

    def handle(self, message):
        self.db.execute("INSERT INTO seen VALUES (?)", [message.value()["number"]])
        [[count]] = self.db.execute("SELECT count(*) FROM seen WHERE number > 0")
        return Reply("seen", {"data": count})

    async def stop(self):
        self.db.close()
"""


def test_a_state_file_changes_hands(servers, folder, dial, until):
    """The old one lets go of it first, and has it again if the new one fails; who asks waits."""
    (folder / "store.py").write_text(STORE)
    old = servers(STATEFUL)
    wire = dial().greet()

    def ask():
        wire.send(b"", b"ask.it", b'{"req": "ask.it", "number": 5}', b"")

    ask()
    assert json.loads(wire.message()[2])["data"] == 1
    (folder / "wait").touch()
    new = servers(STATEFUL, REPLACE, ready=False)
    until((folder / "waits").exists)
    old.wait_for("released for process=")
    ask()
    new.process.send_signal(signal.SIGSTOP)
    (folder / "wait").unlink()
    new.kill()
    assert json.loads(wire.message()[2])["data"] == 2
    new = servers(STATEFUL, REPLACE)
    assert old.ended() == 0
    wire = dial().greet()
    ask()
    assert json.loads(wire.message()[2])["data"] == 3
