from ccproxy_handlers.ssmmp.agent.engine import Record
from ccproxy_handlers.ssmmp.agent.engine.rows import OpenSession, Process
from ccproxy_handlers.ssmmp.agent.engine.tables import ProcessState
from ccproxy_handlers.ssmmp.agent.state_file import Keep, Known

PROCESS = Process(7, "job", ProcessState.READY, 4711, (("api", 54001),), "secret")
CONNECTION = OpenSession("7 1 ::1 2", 7, "plug", 1, "::1", 2, 2)
KNOWN = Known(7, "12345", (("SSMMP_AGENT", "tcp://[::1]:1"),), (("plug", 40001),))


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "agent.db")
    keep = Keep(path)
    keep.write([Record("process", 7, PROCESS), Record("connection", CONNECTION.key, CONNECTION)])
    keep.mark(KNOWN)
    keep.close()
    keep = Keep(path)
    records, known = keep.read()
    assert {one.row for one in records} == {PROCESS, CONNECTION}
    assert known == {7: KNOWN}
    keep.close()


def test_what_ends_takes_its_mark_with_it(tmp_path):
    keep = Keep(str(tmp_path / "agent.db"))
    keep.write([Record("process", 7, PROCESS)])
    keep.mark(KNOWN)
    keep.write([Record("process", 7, None)])
    assert keep.read() == ([], {})
    keep.close()


def test_without_a_file_nothing_is_kept():
    keep = Keep("")
    keep.write([Record("process", 7, PROCESS)])
    keep.mark(KNOWN)
    assert keep.read() == ([], {})
    keep.close()
