"""What an agent tells of itself fits into lines, however much it is."""

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine.link import ITEMS_PER_LINE, _lines


def test_an_empty_list_is_one_line():
    assert list(_lines("x_running", [])) == [("x_running", ssmmp.write_tuples([]))]


def test_a_long_list_goes_on_in_numbered_lines_below_the_limit():
    items = [(number, "p" * 20, 40000, "255.255.255.255", 65535, 65535) for number in range(333)]
    lines = list(_lines("x_sessions", items))
    assert [name for name, _ in lines] == [
        "x_sessions", "x_sessions_2", "x_sessions_3", "x_sessions_4",
    ]  # fmt: skip
    assert max(len(text) for _, text in lines) < ssmmp.FramingLimits().line
    told = [one for _, text in lines for one in ssmmp.tuples(text)]
    assert len(told) == len(items) and ITEMS_PER_LINE == 100
