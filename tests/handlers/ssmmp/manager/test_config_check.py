"""What `ccserver check` says of a Manager's section."""

import pytest

from ccproxy import Plan
from ccproxy.testing import options_for
from ccproxy_handlers.ssmmp.manager.handler import SsmmpManager

GOOD = "[service a]\nplugs = p -> b.c\n[service b]\nsockets = c\n"
BAD = "[service a]\nplugs = p -> b.c\n[service d]\nkind = gate\n"


@pytest.fixture
def check(tmp_path):
    """The problems of a section whose graph is a text, or None for no file."""

    def problems(text):
        graph = tmp_path / "graph"
        if text is not None:
            graph.write_text(text)
        options = {"graph": str(graph), "state": str(tmp_path / "state.db")}
        plan = Plan("m.ini", "m", None, (), (), ())
        return list(SsmmpManager("h:m", options_for(SsmmpManager, options)).check(plan))

    return problems


def test_all_mistakes_of_the_graph_are_said_with_their_lines(check):
    found = [str(one) for one in check(BAD)]
    assert any("graph:2" in one and "no such service" in one for one in found)
    assert any("graph:4" in one for one in found)


def test_a_listener_that_is_not_there_is_said_with_those_that_are(check):
    [problem] = [one for one in check(GOOD) if "operate-from" in one.what]
    assert 'no listener "ccserver"' in problem.what


def test_a_section_without_a_route_is_a_warning(check):
    [problem] = [one for one in check(GOOD) if "no route leads to it" in one.what]
    assert problem.warning and "ssmmp = h:m" in problem.hint


def test_a_graph_that_cannot_be_read_is_a_problem_of_the_option(check):
    [problem] = [one for one in check(None) if "graph = " in one.what]
    assert "No such file" in problem.what and problem.file == "m.ini"
