"""The rows of an agent, and their text."""

from ccproxy_handlers.ssmmp.agent.engine.rows import JOURNAL, LinkRow, OpenSession, ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.tables import LinkState, ProcessState
from ccproxy_handlers.ssmmp.journal import Record

PROCESS = ProcessRow(7, "job", ProcessState.KILLED, 4711, (("api", 54001),), "secret", kills=1)
SESSION = OpenSession("7 1 ::1 2", 7, "plug", 1, "::1", 2, 2)


def test_rows_are_read_as_they_were_written():
    for record in (Record("process", 7, PROCESS), Record("connection", SESSION.key, SESSION)):
        found = JOURNAL.from_text(*JOURNAL.to_text(record))
        assert found == record
    assert type(JOURNAL.from_text(*JOURNAL.to_text(Record("process", 7, PROCESS))).row.state) is (
        ProcessState
    )


def test_kills_stand_where_older_versions_wrote_whether_kill_was_sent_again():
    table, key, text = JOURNAL.to_text(Record("process", 7, PROCESS))
    fields = text.removeprefix("[").split(",")
    assert text.count(",1,false,") == 1 and len(fields) > 10
    old = text.replace(",1,false,", ",true,false,")
    assert JOURNAL.from_text(table, key, old).row.kills == 1


def test_a_link_begins_without_connection_and_without_deadline():
    assert LinkRow() == LinkRow(LinkState.DISCONNECTED, 0.0)
