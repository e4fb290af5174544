"""The infofile is replaced as a whole by a thread; what is in its way is said and not opened."""

import asyncio
import os
import threading

import pytest

from ccproxy.server import infofile
from ccproxy.server.infofile import InfoFile


@pytest.fixture
def made(kit):
    async def made():
        return InfoFile(kit().log)

    return made


async def test_the_file_is_replaced_as_a_whole(made, tmp_path):
    path = tmp_path / "info"
    path.write_text("old")
    writer = await made()
    writer.write(path, "new \ud800")
    await writer.settle()
    assert path.read_text() == "new \\ud800"
    assert [one.name for one in tmp_path.iterdir()] == ["info"]


async def test_what_cannot_be_written_is_said(made, tmp_path, caplog):
    writer = await made()
    writer.write(tmp_path / "no" / "info", "x")
    await writer.settle()
    await asyncio.sleep(0)
    assert f"cannot write {tmp_path}/no/info: No such file or directory" in caplog.text


async def test_a_fifo_is_neither_opened_nor_replaced(made, tmp_path, caplog):
    os.mkfifo(tmp_path / "info")
    writer = await made()
    writer.write(tmp_path / "info", "x")
    await writer.settle()
    assert (tmp_path / "info").is_fifo()
    assert "it is no regular file" in caplog.text


@pytest.mark.parametrize("how", ["fifo", "link"])
async def test_nothing_in_the_place_of_the_new_file_is_opened(made, tmp_path, how):
    (tmp_path / "victim").write_text("mine")
    if how == "fifo":
        os.mkfifo(tmp_path / "info.new")
    else:
        (tmp_path / "info.new").symlink_to(tmp_path / "victim")
    writer = await made()
    writer.write(tmp_path / "info", "x")
    await writer.settle()
    assert (tmp_path / "info").read_text() == "x"
    assert (tmp_path / "victim").read_text() == "mine"


async def test_a_write_that_hangs_stops_nothing_and_is_said_once(
    made, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(infofile, "SETTLE_TIMEOUT", 0.05)
    entered, hung = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hangs(path, text):
        loop.call_soon_threadsafe(entered.set)
        hung.wait()

    monkeypatch.setattr(infofile, "_written", hangs)
    writer = await made()
    writer.write(tmp_path / "info", "x")
    await entered.wait()
    for _ in range(3):
        writer.write(tmp_path / "info", "x")
    await writer.settle()
    assert caplog.text.count("the write before takes too long, skipped") == 1
    hung.set()
    await writer.settle()
    writer.write(tmp_path / "info", "x")
    await writer.settle()
    assert caplog.text.count("skipped") == 1
