"""A mapping in parts is a dict for what it can do."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.parted_table import PARTS, PartedTable

STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "default", "pop", "delete"]), st.integers(0, 600))
)


@given(STEPS)
def test_it_does_what_a_dict_does(steps):
    table, model = PartedTable(), {}
    for number, (word, key) in enumerate(steps):
        if word == "set":
            table[key] = model[key] = number
        elif word == "default":
            assert table.setdefault(key, number) == model.setdefault(key, number)
        elif word == "pop":
            assert table.pop(key) == model.pop(key, None)
        elif key in model:
            del table[key], model[key]
        assert table.get(key) == model.get(key)
        assert (key in table) == (key in model)
    assert sorted(table) == sorted(model)
    assert len(table) == len(model)
    assert all(table[key] == model[key] for key in model)
    assert sorted(PartedTable(model.items())) == sorted(model)


def test_entries_are_spread_over_the_parts():
    table = PartedTable((number, None) for number in range(10 * PARTS))
    assert {len(part) for part in table.parts} == {10}
