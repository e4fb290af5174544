"""The verb spool, with folders that no server has; tests/e2e/test_spool.py has running servers."""

import base64
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.schema import SpoolCommit
from tests.core.delivery.test_store import chunk

LINK = b"link with 16 oct"
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:5000
pidfile = {folder}/none.pid
[routes]
a = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:5001
delivery = acknowledged
spool = {folder}
"""


@pytest.fixture
def folder(tmp_path):
    """Three runs of two messages each, of which the first is acknowledged."""
    place = tmp_path / "spool"
    place.mkdir()
    file = SpoolFile(place, LINK)
    rows = [
        SpoolRow(id, 0xE1, 2 * id - 1, 2, 1000.0, chunk(2 * id - 1, 2 * id)) for id in (1, 2, 3)
    ]
    size = len(rows[0].data)
    file.write(
        SpoolCommit(replace(file.state, last=3, released=1, messages=4, size=2 * size), rows)
    )
    file.close()
    return place


def test_show(call, folder):
    status, out, err = call("spool", folder, "show")
    assert (status, err) == (0, "")
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["folder"] == str(folder)
    assert lines["link"] == LINK.hex()
    assert lines["waiting"] == "4 messages, 20 B"
    assert lines["kept"] == "2 messages, 10 B"
    assert lines["refused"] == "0 messages by the far side"
    assert lines["runs"] == "1 to 3"


def test_show_the_runs(call, folder):
    _, out, _ = call("spool", folder, "show", "--runs")
    runs = [line for line in out.splitlines() if line.startswith("run ")]
    assert [line.split()[-1] for line in runs] == ["kept", "waits", "waits"]
    assert "00000000000000e1:3  2 messages  10 B" in runs[1]
    _, out, _ = call("spool", folder, "show", "--runs", "--json")
    value = json.loads(out)
    assert (value["waiting"], [one["run"] for one in value["runs"]]) == (4, [1, 2, 3])


def test_export(call, folder):
    _, out, _ = call("spool", folder, "export")
    messages = [json.loads(line) for line in out.splitlines()]
    assert [base64.b64decode(one["frames"][0]) for one in messages] == [
        b"%03d" % number for number in range(1, 7)
    ]
    assert [one["waits"] for one in messages] == [False] * 2 + [True] * 4
    assert messages[2]["epoch"] == "00000000000000e1" and messages[2]["number"] == 3


def test_export_raw(folder):
    done = subprocess.run(
        [sys.executable, "-m", "ccproxy", "spool", folder, "export", "--raw"], capture_output=True
    )
    assert done.stdout == chunk(1, 2, 3, 4, 5, 6)


def test_drop_and_replay(call, folder):
    assert call("spool", folder, "drop", "--to", "2") == (0, "2 messages dropped\n", "")
    assert call("spool", folder, "replay", "--from", "1") == (0, "0 messages wait again\n", "")
    status, said, error = call("spool", folder, "drop")
    assert (status, said, "drop needs --to RUN, or --all" in error) == (2, "", True)
    assert call("spool", folder, "drop", "--all") == (0, "2 messages dropped\n", "")
    assert call("spool", folder, "drop", "--all") == (0, "0 messages dropped\n", "")


def test_replay(call, folder):
    assert call("spool", folder, "replay", "--from", "1") == (0, "2 messages wait again\n", "")
    _, out, _ = call("spool", folder, "show")
    assert "6 messages" in out


def test_resend(call, folder):
    file = SpoolFile(folder, LINK)
    file.write(SpoolCommit(replace(file.state, server=b"the old far side")))
    file.close()
    said = "4 messages may be sent to any server\n"
    assert call("spool", folder, "resend") == (0, said, "")
    file = SpoolFile(folder, LINK)
    assert file.state.server == b""
    file.close()


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("replay",), 2, "replay needs --from TIME|RUN"),
        (("replay", "--from", "soon"), 1, "found 'soon', expected the number of a run, a time"),
    ],
)
def test_wrong_words(call, folder, words, status, text):
    found, out, err = call("spool", folder, *words)
    assert (found, out) == (status, "") and text in err


def test_a_folder_in_use_is_refused_with_its_process(call, folder):
    lock = FolderLock(folder)
    status, out, err = call("spool", folder, "show")
    lock.release()
    assert (status, out) == (1, "") and f"{folder} is in use by" in err


def test_a_folder_without_a_spool(call, tmp_path):
    status, _, err = call("spool", tmp_path, "show")
    assert status == 1 and "it is not the folder of a spool" in err
