"""Groups of rows."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.manager.engine.index import Index

CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.frozensets(st.integers(0, 3))), max_size=30
)


@given(CHANGES)
def test_an_index_is_what_a_scan_would_find(changes):
    index = Index(lambda row: tuple(sorted(row)))
    rows = {}
    for key, row in changes:
        index.update(key, rows.get(key), row)
        rows[key] = row
        for group in range(4):
            found = {k for k, r in rows.items() if r is not None and group in r}
            assert set(index.of(group)) == found and index.size(group) == len(found)
            assert index.first(group) in (found or {None})
    assert set(index.groups()) == {g for r in rows.values() if r for g in r}


def test_keys_stand_in_the_order_in_which_they_came_into_a_group():
    index = Index(lambda row: row)
    for key in (3, 1, 2):
        index.update(key, None, ("a",))
    index.update(3, ("a",), ("a", "b"))
    assert list(index.of("a")) == [3, 1, 2]
    index.update(3, ("a", "b"), ("b",))
    index.update(3, ("b",), ("b", "a"))
    assert list(index.of("a")) == [1, 2, 3] and index.first("a") == 1
