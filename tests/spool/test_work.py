"""Work that comes together while a commit runs is one piece of work."""

from pathlib import Path

from ccproxy.spool.rows import OfferedRun
from ccproxy.spool.work import FileOptions, SpoolWork


def test_later_work_goes_behind_earlier_work():
    work = SpoolWork([OfferedRun(b"a", 1)], 1, 4, 2, 9, 3, 30, 2, [1], b"first", (5, 100))
    work.add(SpoolWork([OfferedRun(b"b", 1)], 1, 6, 0, 7, 1, 10, 1, [2], None, None, [], True))
    assert [one.chunk for one in work.items] == [b"a", b"b"]
    assert (work.size, work.released, work.partial, work.written) == (2, 6, 0, 9)
    assert (work.gone, work.gone_size, work.refused, work.dropped) == (4, 40, 3, [1, 2])
    assert (work.server, work.read, work.stop) == (b"first", (5, 100), True)


def test_work_without_a_release_keeps_the_mark_of_the_earlier_one():
    work = SpoolWork(released=4, partial=2)
    work.add(SpoolWork(server=b""))
    assert (work.released, work.partial, work.server) == (4, 2, b"")


def test_a_spool_is_safe_by_default():
    assert FileOptions(Path("spool")).full


def test_items_are_taken_in_parts_and_one_that_is_larger_alone():
    sizes = (3, 3, 9, 1, 1)
    work = SpoolWork([OfferedRun(b"x" * one, 1) for one in sizes], sum(sizes), gone=4, stop=True)
    taken = [work.take(6) for _ in range(4)]
    assert [([len(one.chunk) for one in items], size) for items, size in taken] == [
        ([3, 3], 6), ([9], 9), ([1, 1], 2), ([], 0),
    ]  # fmt: skip
    assert work.size == 0
    work.add(SpoolWork([OfferedRun(b"a", 1)], 1, calls=[("call", "future")]))
    left = work.behind_commit()
    assert (left.size, len(left.items), left.gone, left.stop) == (1, 1, 0, True)
    assert left.calls == [("call", "future")]
