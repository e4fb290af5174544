"""The file of a client alone; tests/client/test_producer.py has what a client does with it."""

import os
import sqlite3
import subprocess
import sys

import pytest

from ccproxy.client.receipts import size_of
from ccproxy.client.spool import ProducerSpool
from ccproxy.spool.lock import SpoolInUse
from ccproxy.spool.salvage import LOG_LOST
from ccproxy.spool.schema import FILE_NAME

FRAMES = [b"", b"a.b", b"{}", b""]


def frames(*numbers: int) -> list[list[bytes]]:
    return [[*FRAMES, b"%d" % number] for number in numbers]


def read(folder) -> tuple[ProducerSpool, list[tuple[int, bytes]]]:
    spool = ProducerSpool(folder)
    return spool, [(one.place.number, one.frames[-1]) for one in spool.restored]


def test_what_was_appended_is_restored_with_its_numbers(tmp_path):
    spool = ProducerSpool(tmp_path / "spool")
    assert spool.restored == []
    spool.append(frames(1, 2))
    spool.append(frames(3))
    spool.close()
    again, found = read(tmp_path / "spool")
    assert found == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert {one.place.epoch for one in again.restored} == {spool.epoch}
    assert again.producer == spool.producer
    assert again.epoch != spool.epoch
    assert again.restored[0].frames == [*FRAMES, b"1"]
    assert again.restored[0].size == size_of([*FRAMES, b"1"])
    again.close()


def test_what_has_its_end_is_not_restored(tmp_path):
    spool = ProducerSpool(tmp_path)
    spool.append(frames(1, 2, 3))
    spool.append(frames(4, 5))
    spool.settle(2)
    spool.close()
    spool, found = read(tmp_path)
    assert found == [(3, b"3"), (4, b"4"), (5, b"5")]
    spool.append(frames(6))
    spool.settle(2)
    spool.write()
    spool.close()
    spool, found = read(tmp_path)
    assert found == [(5, b"5"), (1, b"6")]
    spool.settle(2)
    spool.close()
    spool, found = read(tmp_path)
    assert found == []
    spool.close()


def test_the_end_of_a_message_is_in_the_commit_of_the_next_ones(tmp_path):
    spool = ProducerSpool(tmp_path)
    spool.append(frames(1))
    spool.settle(1)
    spool.append(frames(2))
    assert spool._file.state.released == 1
    assert spool._file.ends() == (2, 2)
    spool.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from ccproxy.client.spool import ProducerSpool
spool = ProducerSpool(Path(sys.argv[1]))
spool.append([[b"", b"a.b", b"%d" % number] for number in range(1, 4)])
spool.settle(1)
spool.write()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_survives_a_kill(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    spool, found = read(tmp_path)
    assert found == [(2, b"2"), (3, b"3")]
    spool.close()


def test_a_second_client_learns_which_process_has_it(tmp_path):
    spool = ProducerSpool(tmp_path)
    code = "import sys; from pathlib import Path; from ccproxy.client.spool import ProducerSpool\n"
    code += "ProducerSpool(Path(sys.argv[1]))"
    words = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert f"{tmp_path} is in use by process {os.getpid()}" in done.stderr
    with pytest.raises(SpoolInUse):
        ProducerSpool(tmp_path)
    spool.close()
    ProducerSpool(tmp_path).close()


def test_a_file_that_cannot_be_read_at_all_is_put_aside(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"nonsense" * 10_000)
    spool, found = read(tmp_path)
    assert found == []
    assert spool.damage.startswith("damaged: 0 messages were read, an unknown number lost; see ")
    assert (tmp_path / "damaged-1" / FILE_NAME).read_bytes().startswith(b"nonsense")
    spool.append(frames(1))
    spool.close()
    spool, found = read(tmp_path)
    assert (found, spool.damage) == ([(1, b"1")], "")
    spool.close()


@pytest.mark.parametrize(("row", "left"), [(2, [7, 8, 9]), (3, [5, 6, 9]), (4, [5, 6, 7, 8])])
def test_of_a_damaged_file_the_whole_rows_are_restored(tmp_path, row, left):
    """Rows of 3, 3, 2 and 1 messages, of which the first four have their end."""
    spool = ProducerSpool(tmp_path)
    for numbers in ((1, 2, 3), (4, 5, 6), (7, 8), (9,)):
        spool.append(frames(*numbers))
    spool.settle(4)
    spool.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("UPDATE runs SET data = ? WHERE id = ?", (b"changed", row))
    db.close()
    again, found = read(tmp_path)
    assert [int(text) for _, text in found] == [number for number, _ in found] == left
    said = f"damaged: {len(left)} messages were read, {5 - len(left)} lost; see "
    assert (again.producer, again.damage.startswith(said)) == (spool.producer, True)
    again.settle(len(left) - 1)
    again.append(frames(10))
    again.close()
    last, found = read(tmp_path)
    assert [text for _, text in found] == [b"%d" % left[-1], b"10"]
    assert last._state.messages == 2
    last.settle(2)
    last.close()
    last, found = read(tmp_path)
    assert (found, last._state.messages, last.damage) == ([], 0, "")
    last.close()


def test_a_log_that_was_removed_is_told(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    (tmp_path / f"{FILE_NAME}-wal").unlink()
    spool, _ = read(tmp_path)
    assert spool.damage == LOG_LOST
    spool.close()
    spool, _ = read(tmp_path)
    assert spool.damage == ""
    spool.close()


def test_a_file_of_another_version_is_left_alone(tmp_path):
    ProducerSpool(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for _ in range(2):
        with pytest.raises(OSError, match=f"{FILE_NAME}: .* has version 99"):
            ProducerSpool(tmp_path)


def test_a_file_that_was_removed_takes_nothing(tmp_path):
    spool = ProducerSpool(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(OSError, match=f"{FILE_NAME}: was removed"):
        spool.append(frames(1))
    spool.close()


def test_after_a_failed_commit_the_numbers_go_on(tmp_path, monkeypatch):
    spool = ProducerSpool(tmp_path)
    spool.append(frames(1))

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(spool._file, "write", fail)
        with pytest.raises(OSError, match=f"{FILE_NAME}: database or disk is full"):
            spool.append(frames(2))
        spool.settle(1)
        spool.write()
    spool.append(frames(3))
    spool.close()
    spool, found = read(tmp_path)
    assert found == [(2, b"3")]
    spool.close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        ProducerSpool(tmp_path / "file")
