import sqlite3

from ccproxy_handlers.ssmmp.agent.engine import Record
from ccproxy_handlers.ssmmp.agent.engine.rows import OpenSession, ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.tables import ProcessState
from ccproxy_handlers.ssmmp.agent.state_file import AgentStateFile, ProcessMark
from ccproxy_handlers.state_file import StateFile

PROCESS = ProcessRow(7, "job", ProcessState.READY, 4711, (("api", 54001),), "secret")
CONNECTION = OpenSession("7 1 ::1 2", 7, "plug", 1, "::1", 2, 2)
MARK = ProcessMark(7, "12345", (("SSMMP_AGENT", "tcp://[::1]:1"),), (("plug", 40001),))


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "agent.db")
    file = AgentStateFile(path)
    file.write([Record("process", 7, PROCESS), Record("connection", CONNECTION.key, CONNECTION)])
    file.mark(MARK)
    file.close()
    file = AgentStateFile(path)
    records, marks = file.read()
    assert {one.row for one in records} == {PROCESS, CONNECTION}
    assert marks == {7: MARK}
    file.close()


def test_what_ends_takes_its_mark_with_it(tmp_path):
    file = AgentStateFile(str(tmp_path / "agent.db"))
    file.write([Record("process", 7, PROCESS)])
    file.mark(MARK)
    file.write([Record("process", 7, None)])
    assert file.read() == ([], {})
    file.close()


def test_without_a_file_nothing_is_kept():
    file = AgentStateFile("")
    file.write([Record("process", 7, PROCESS)])
    file.mark(MARK)
    assert file.read() == ([], {})
    file.close()


def test_a_full_disk_loses_nothing_that_can_be_written_later(tmp_path, monkeypatch):
    file = AgentStateFile(str(tmp_path / "agent.db"))
    write, tried = StateFile.write, []

    def full(self, texts):
        tried.append(list(texts))
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(StateFile, "write", full)
    for _ in range(3):
        file.write([Record("process", 7, PROCESS), Record("process", 8, PROCESS)])
    file.mark(MARK)
    file.write([Record("process", 8, None)])
    assert file.fault == "database or disk is full"
    assert len(tried[-1]) == 4, "one text of each key: two processes, two marks"
    monkeypatch.setattr(StateFile, "write", write)
    file.retry()
    assert file.fault == "" and file.read() == ([Record("process", 7, PROCESS)], {7: MARK})
    file.retry()
    file.close()
