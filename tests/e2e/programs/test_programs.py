"""Programs that others wrote for ZeroMQ, as they are on PyPI, with a server in place of a device.

CCPROXY_PROGRAMS_PYTHON names a Python that has them, see `.ci/run`. The scripts beside this file
run there: they call the programs, and say in JSON what these did.
"""

import json
import os
import queue
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from ccproxy.commands.keygen import certificates

HERE = Path(__file__).parent
OWN = HERE.parents[2] / ".venv-programs" / "bin" / "python"
PYTHON = os.environ.get("CCPROXY_PROGRAMS_PYTHON", str(OWN))
SECONDS = 60


def wants(module):
    """Skip a test where there is no such program."""
    probe = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    missing = not Path(PYTHON).is_file() or subprocess.run([PYTHON, "-c", probe]).returncode
    return pytest.mark.skipif(
        bool(missing), reason=f"CCPROXY_PROGRAMS_PYTHON names no Python with {module}"
    )


class Script:
    """A running script of this folder: JSON lines out, lines in."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [PYTHON, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def said(self):
        """The next line."""
        line = self._lines.get(timeout=SECONDS)
        assert line is not None, f"{self.process.args} ended with {self.process.wait(SECONDS)}"
        return json.loads(line)

    def rest(self):
        """All that it says until it ends."""
        return "".join(iter(partial(self._lines.get, timeout=SECONDS), None))

    def tell(self, text=""):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def script():
    scripts = []

    def script(*words):
        scripts.append(Script(*words))
        return scripts[-1]

    yield script
    for one in scripts:
        one.stop()


BLUESKY = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:run-engines]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = documents
[listen:run-engines-far]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT3
type = documents
curve-secret = ../keys/server.key_secret
curve-allow = ../keys/publisher.key
[routes]
documents = h:dispatchers, h:dispatchers-far
[h:dispatchers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT4
[h:dispatchers-far]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT5
curve-secret = ../keys/server.key_secret
curve-allow = ../keys/subscriber.key
"""


@wants("bluesky")
def test_documents_of_bluesky_with_prefixes_and_curve(start, script, fill, tmp_path):
    """Two run engines and three dispatchers, without bluesky-0MQ-proxy between them."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("server", "publisher", "subscriber"):
        assert certificates(keys / name) == 0
    start(BLUESKY)
    name = HERE / "bluesky_documents.py"
    dispatch = script(
        name, "dispatch", fill("tcp://127.0.0.1:PORT4"), fill("tcp://127.0.0.1:PORT5"), keys
    )
    publish = script(
        name, "publish", fill("tcp://127.0.0.1:PORT2"), fill("tcp://127.0.0.1:PORT3"), keys
    )
    assert dispatch.said() == "ready"
    publish.tell("run")
    emitted, found = publish.said(), dispatch.said()
    assert [len(emitted[run]) for run in ("one", "two")] == [103, 103]
    for run, documents in emitted.items():
        assert found[run] == documents
        assert [one for one in found["both"] if one in documents] == documents
    assert len(found["both"]) == 206


QUEUE = """
[listen:NAME]
protocol = zmq
socket = router
address = tcp://127.0.0.1:IN
type = NAME
[h:NAME]
handler = zmq
socket = dealer
connect = tcp://127.0.0.1:OUT
identity = device
"""
JUPYTER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT11
cc-role = local
[listen:iopub]
protocol = zmq
socket = xsub
connect = tcp://127.0.0.1:PORT5
type = iopub
[h:iopub]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT10
[routes]
shell = h:shell
control = h:control
stdin = h:stdin
hb = h:hb
iopub = h:iopub
"""
CHANNELS = ("shell", "control", "stdin", "hb", "iopub")


@wants("ipykernel")
@wants("jupyter_client")
def test_two_clients_of_a_jupyter_kernel(start, script, ports, tmp_path):
    """Five devices between them; the kernel asks on stdin clients that have sent nothing there."""
    files = [tmp_path / "kernel.json", tmp_path / "clients.json"]
    text = JUPYTER
    for first, file in zip((1, 6), files, strict=True):
        found = {f"{name}_port": ports[f"PORT{first + n}"] for n, name in enumerate(CHANNELS)}
        connection = {"ip": "127.0.0.1", "transport": "tcp", "key": "a secret"}
        file.write_text(json.dumps({**connection, **found}))
    for number, name in enumerate(CHANNELS[:4], 1):
        queue = QUEUE.replace("NAME", name)
        text += queue.replace("IN", f"PORT{number + 5}").replace("OUT", f"PORT{number}")
    kernel = script("-m", "ipykernel_launcher", "-f", files[0])
    server = start(text)
    clients = script(HERE / "jupyter_clients.py", files[1])
    assert clients.said() == {
        "run": ["ok", "42\n", []],
        "asked one": ["ok", "hello Ada\n", ["who? "]],
        "asked two": ["ok", "Ada Grace\n", ["and? "]],
        "large": 3_000_001,
        "error": "error",
        "interrupted": ["interrupt_reply", "ok", "KeyboardInterrupt"],
        "after": ["ok", "Ada\n", []],
        "heartbeats": [True, True],
        "shutdown": ["shutdown_reply", "ok"],
    }
    assert kernel.process.wait(SECONDS) == 0
    server.stop()
    assert server.ledger().get("gone", 0) == 0


SERVICE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[listen:calls]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT2
type = call
[routes]
call = h:service
[h:service]
handler = zmq
socket = dealer
bind = tcp://127.0.0.1:PORT3
"""
OTHER_SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT4
cc-role = local
[listen:calls]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT5
type = call
[routes]
call = h:service
[h:service]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT1
"""


@wants("zerorpc")
def test_calls_and_streams_of_zerorpc_from_two_sites(start, script, fill):
    start(SERVICE, "service")
    start(OTHER_SITE, "other")
    program = HERE / "zerorpc_calls.py"
    script(program, "serve", fill("tcp://127.0.0.1:PORT3"))
    clients = [script(program, "call", fill(f"tcp://127.0.0.1:PORT{port}")) for port in (2, 5)]
    expected = {"add": 42, "echo": 1_000_000, "count": True, "fail": ["ValueError", "as asked"]}
    assert [one.said() for one in clients] == [expected] * 2


LOCUST = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[h:workers]
handler = queue
in = tcp://127.0.0.1:PORT2
out = tcp://127.0.0.1:PORT3
per-peer = yes
reconnect = 20 ms
[routes]
"""


@wants("locust")
def test_workers_of_locust_report_to_their_master(start, script, ports):
    """The master knows workers by their routing ids, and counts what all of them have done."""
    server = start(LOCUST)
    program = ("-m", "locust", "-f", HERE / "locustfile.py", "--skip-log-setup")
    workers = [
        script(*program, "--worker", "--master-host", "127.0.0.1", "--master-port", ports["PORT2"])
        for _ in range(2)
    ]
    many = "--headless --expect-workers 2 --users 4 --spawn-rate 100 --run-time 60s --json"
    master = script(
        *program, "--master", "--master-bind-host", "127.0.0.1", "--only-summary",
        "--master-bind-port", ports["PORT3"], *many.split(),
    )  # fmt: skip
    done = [worker.said()["done"] for worker in workers]
    assert all(done)
    [counter] = json.loads(master.rest())
    assert (counter["name"], counter["num_requests"]) == ("one", sum(done))
    assert [one.process.wait(SECONDS) for one in (master, *workers)] == [0, 0, 0]
    server.wait_for_count(": it is not used any more", 2)
    server.stop()
    assert server.ledger().get("gone", 0) == 0


QUEUESERVER = """
[ccserver]
[h:control]
handler = queue
in = tcp://127.0.0.1:PORT1
out-connect = tcp://127.0.0.1:PORT3
[h:console]
handler = forwarder
in-connect = tcp://127.0.0.1:PORT4
out = tcp://127.0.0.1:PORT2
"""


@wants("bluesky_queueserver")
@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server here")
def test_a_plan_of_bluesky_queueserver(start, script, fill, ports, tmp_path):
    """A manager that binds, in front of it a server to which clients connect; its console, too."""
    redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(ports["PORT5"])]
    manager = [str(Path(PYTHON).with_name("start-re-manager"))]
    options = {
        "--redis-addr": "127.0.0.1:PORT5",
        "--zmq-control-addr": "tcp://127.0.0.1:PORT3",
        "--zmq-info-addr": "tcp://127.0.0.1:PORT4",
        "--zmq-publish-console": "ON",
    }
    for name, value in options.items():
        manager += [name, fill(value)]
    log = (tmp_path / "log").open("w+")
    start(QUEUESERVER)
    running = []
    try:
        for command in ([*redis, "--save", ""], manager):
            running.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log))
        calls = script(
            HERE / "queueserver_calls.py",
            fill("tcp://127.0.0.1:PORT1"),
            fill("tcp://127.0.0.1:PORT2"),
        )
        name, status, console = calls.said()
        assert (name, status) == ("count", "completed")
        assert "det1" in console
    finally:
        for one in reversed(running):
            one.terminate()
            one.wait(SECONDS)
        log.seek(0)
        print(log.read()[-5000:])
        log.close()
