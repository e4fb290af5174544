import pytest

from ccproxy_handlers.ssmmp.agent.engine import tables as agent
from ccproxy_handlers.ssmmp.manager.engine import tables as manager
from ccproxy_handlers.ssmmp.state_table import Rule, lines, table


def test_two_rules_for_one_cell_are_a_mistake():
    rules = [Rule("a", "go", "b"), Rule("a", "go", "c")]
    with pytest.raises(ValueError, match="two rules for a, go"):
        table("t", {"go": "it goes"}, {}, rules)


@pytest.mark.parametrize("one", [*manager.TABLES, *agent.TABLES], ids=lambda one: one.name)
def test_a_table_prints_itself(one):
    printed = lines(one)
    assert len(printed) == len(one.rules)
    for line, rule in zip(printed, one.rules.values(), strict=True):
        assert line.split()[0] == rule.state and line.split()[-1] == rule.next
    assert all(one.events.values())
