"""Programs that others wrote for ZeroMQ, as they are on PyPI, with a server in place of a device.

CCPROXY_PROGRAMS_PYTHON names a Python that has them, see `.ci/run`. The scripts beside this file
run there: they call the programs, and say in JSON what these did.
"""

import json
import os
import queue
import subprocess
import threading
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

    def __init__(self, name, *words):
        self.process = subprocess.Popen(
            [PYTHON, str(HERE / name), *map(str, words)],
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

    def script(name, *words):
        scripts.append(Script(name, *words))
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
    name = "bluesky_documents.py"
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
