"""What stays in the file for a replay."""

import time
from dataclasses import replace

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.keeping import Keeping
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.schema import SpoolCommit
from ccproxy.spool.work import FileOptions


def test_nothing_or_by_size_or_by_age(tmp_path):
    file = SpoolFile(tmp_path, bytes(16))
    now = time.time()
    rows = [SpoolRow(id, 1, id, 1, now - 100.5 + id, bytes(10)) for id in range(1, 11)]
    file.write(SpoolCommit(replace(file.state, last=10, released=8), rows))
    for options, kept, to in (
        (FileOptions(tmp_path), 0, 9),
        (FileOptions(tmp_path, keep_size=35), 80, 6),
        (FileOptions(tmp_path, keep_size=1000), 80, 0),
        (FileOptions(tmp_path, keep_time=98), 80, 2),
    ):
        keeping = Keeping()
        keeping.count(file, options)
        assert (keeping.kept, keeping.prune(file, 9, options)) == (kept, to)
    assert keeping.prune(file, 9, options) == 0, "it looked a moment ago"
    file.close()
