import gc
import os
import platform

import pytest

from ccproxy.process.memory import keep_from_collector, keep_some, memory_limit, set_aside


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt of the GNU C library")
def test_the_c_library_takes_both_settings():
    assert keep_some()


def system(root, cgroup, **limits):
    """Files as the kernel shows them; `limits` by path, with _ for /."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for path, text in limits.items():
        file = root / "sys/fs/cgroup" / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_a_quarter_of_the_machine(tmp_path):
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory_limit(tmp_path) == whole // 4
    free = system(tmp_path, "0::/a\n", **{"a__memory.max": "max\n"})
    assert memory_limit(free) == whole // 4


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/a/b\n", {"a__b__memory.max": "max\n", "a__memory.max": "400000\n"}, 100_000),
        ("0::/a/b\n", {"a__b__memory.max": "4000\n", "a__memory.max": "400000\n"}, 1000),
        ("0::/\n", {"memory.max": "400000\n"}, 100_000),
        ("0::/gone/away\n", {"memory.max": "400000\n"}, 100_000),
        (
            "3:cpu:/x\n2:memory,hugetlb:/a\n0::/\n",
            {"memory__a__memory.limit_in_bytes": "400000\n"},
            100_000,
        ),
    ],
)
def test_a_quarter_of_the_cgroup(tmp_path, cgroup, limits, expected):
    assert memory_limit(system(tmp_path, cgroup, **limits)) == expected


@pytest.fixture
def collector():
    """The collector is afterwards as tests/conftest.py has left it."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def test_what_is_set_aside_is_not_looked_at_again(collector):
    before = gc.get_freeze_count()
    mine = [[] for _ in range(100)]
    set_aside()
    assert gc.get_freeze_count() > before + len(mine)
    assert not any(one is mine for one in gc.get_objects())
    later = [[]]
    assert any(one is later for one in gc.get_objects())


def test_what_is_kept_from_the_collector_is_not_counted_any_more(collector):
    before = gc.get_freeze_count()
    some = [[] for _ in range(1000)]
    keep_from_collector()
    assert gc.get_freeze_count() >= before + len(some)
