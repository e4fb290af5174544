"""Files are rotated in order, FIFOs waited for, and nothing is left half written unnoticed."""

import io
import os
import sys
import threading

import pytest

from ccproxy.process.log_destinations import LogFile, Stderr, write_all


def test_a_file_is_rotated_before_it_becomes_too_large(tmp_path):
    file = LogFile(tmp_path / "x.log", 20, 2)
    file.write([f"line {number}\n" for number in range(9)])
    file.close()
    found = {one.name: one.read_text() for one in tmp_path.iterdir()}
    assert found == {
        "x.log": "line 8\n", "x.log.1": "line 6\nline 7\n", "x.log.2": "line 4\nline 5\n",
    }  # fmt: skip


@pytest.mark.parametrize(("size", "count"), [(0, 3), (20, 0)])
def test_a_file_without_limit_or_old_files_only_grows(tmp_path, size, count):
    (tmp_path / "x.log").write_text("before\n")
    file = LogFile(tmp_path / "x.log", size, count)
    file.write(["a" * 30 + "\n", "b\n"])
    file.close()
    assert [one.name for one in tmp_path.iterdir()] == ["x.log"]
    assert (tmp_path / "x.log").read_text() == "before\n" + "a" * 30 + "\nb\n"


def test_a_line_longer_than_the_limit_is_written_alone(tmp_path):
    file = LogFile(tmp_path / "x.log", 10, 3)
    file.write(["a" * 30 + "\n", "b" * 30 + "\n"])
    file.close()
    assert (tmp_path / "x.log").read_text() == "b" * 30 + "\n"
    assert (tmp_path / "x.log.1").read_text() == "a" * 30 + "\n"
    assert not (tmp_path / "x.log.2").exists()


def test_a_file_that_cannot_be_opened_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        LogFile(tmp_path / "missing" / "x.log", 0, 0)


def test_a_line_after_a_torn_one_begins_a_line(tmp_path, monkeypatch):
    file = LogFile(tmp_path / "x.log", 0, 0)

    def torn(descriptor, data):
        os.write(descriptor, data[:2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ccproxy.process.log_destinations.write_all", torn)
        with pytest.raises(OSError):
            file.write(["abc\n"])
    file.write(["next\n"])
    file.close()
    assert (tmp_path / "x.log").read_text() == "ab\nnext\n"


def test_a_fifo_waits_for_its_reader_and_for_the_next_one(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    file = LogFile(path, 10, 3)
    for text in ("one\n", "two\n"):
        thread = threading.Thread(target=file.write, args=([text],))
        thread.start()
        with path.open() as reader:
            assert reader.readline() == text
        thread.join()
        with pytest.raises(BrokenPipeError):
            file.write(["lost\n"])
    file.close()


def test_a_text_that_no_encoding_has_is_escaped(tmp_path):
    file = LogFile(tmp_path / "x.log", 0, 0)
    file.write(["a\ud800b\n"])
    file.close()
    assert (tmp_path / "x.log").read_text() == "a\\ud800b\n"


def test_stderr_is_the_stream_that_stands_in_for_it(capsys):
    stderr = Stderr()
    assert stderr.descriptor is None
    stderr.write(["a\n", "b\n"])
    stderr.close()
    assert capsys.readouterr().err == "a\nb\n"


def test_a_stream_that_is_closed_cannot_be_written(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    stderr = Stderr()
    sys.stderr.close()
    with pytest.raises(OSError, match="closed file"):
        stderr.write(["a\n"])


def test_all_is_written_to_a_descriptor_that_does_not_block():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = os.urandom(1_000_000)
    thread = threading.Thread(target=write_all, args=(writer, data))
    thread.start()
    found = bytearray()
    while len(found) < len(data):
        found += os.read(reader, 65536)
    thread.join()
    os.close(reader)
    os.close(writer)
    assert found == data
