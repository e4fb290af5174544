"""The three forms of a graph, with names that would break each of them."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.commands.drawing import FORMATS, dot, mermaid, text
from ccproxy.commands.topology import Topology

EVIL = [
    'a"]; evil [label="x', "back\\slash", 'end\\"', "line\nbreak", "<b>bold</b>", "#quot;",
    "n0 --> n1", "`code`", "{x|y}", "\u202egnp.exe", "end", "subgraph", "%%comment",
    "\x1b[31mred", "ä ö ü 漢", "|x|",
]  # fmt: skip


def graph(*names):
    found = Topology()
    centre = found.add("server", names[0])
    for number, name in enumerate(names):
        kind = ("listener", "handler", "link", "route", "peers", "fate")[number % 6]
        at = found.add(kind, name, f"about {name}", number % 2 == 1)
        if kind == "listener":
            found.join(at, centre, 2.5)
        else:
            found.join(centre, at, 1.0 if number % 3 else None)
    return found


def test_a_list():
    found = Topology()
    centre = found.add("server", "hub")
    found.join(found.add("listener", "ccserver", "cc tcp://1:1"), centre)
    route = found.add("route", "a")
    found.join(centre, route, 20.0)
    found.join(route, found.add("handler", "h:x", "echo", True), 2.5)
    assert list(text(found)) == [
        "from listener ccserver (cc tcp://1:1)", "hub", "  route a  20/s",
        "    ! handler h:x (echo)  2.5/s",
    ]  # fmt: skip


def test_a_way_back_is_shown_once():
    found = Topology()
    one, two = found.add("server", "hub"), found.add("handler", "h:x")
    found.join(one, two)
    found.join(two, two)
    assert list(text(found)) == ["hub", "  handler h:x", "    handler h:x"]


def test_every_line_of_a_list_is_one_node():
    lines = list(text(graph(*EVIL)))
    assert len(lines) == len(EVIL) + 1
    assert not any("\n" in one or "\x1b" in one or "\u202e" in one for one in lines)


QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@given(st.lists(st.text(), min_size=1, max_size=8))
def test_dot_has_only_our_elements_outside_of_labels(names):
    bare = [QUOTED.sub("Q", one) for one in dot(graph(*names))]
    assert (bare[0], bare[1], bare[-1]) == ("digraph ccserver {", "  rankdir=LR;", "}")
    for one in bare[2:-1]:
        assert re.fullmatch(
            r"  n\d+ (\[shape=\w+, label=Q(, color=red)?\]|-> n\d+( \[label=Q\])?);", one
        )


@given(st.lists(st.text(), min_size=1, max_size=8))
def test_mermaid_has_only_our_elements_outside_of_labels(names):
    lines = list(mermaid(graph(*names)))
    assert lines[0] == "flowchart LR"
    for one in lines[1:]:
        assert re.fullmatch(
            r'  (n\d+\["[-\w ,./:=@#;<>]*"\]|n\d+ -->(\|"[\w.+-]+/s"\|)? n\d+'
            r"|classDef wrong stroke:red|class n\d+(,n\d+)* wrong)",
            one, re.ASCII,
        )  # fmt: skip
        assert "<" not in one.replace("<br/>", "")


def test_a_name_for_mermaid_reads_as_it_is():
    [line] = [one for one in mermaid(graph('<a "b">')) if one.startswith("  n0")]
    assert line == '  n0["#60;a #34;b#34;#62;"]'


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_graphviz_draws_it():
    source = "\n".join(dot(graph(*EVIL)))
    done = subprocess.run(
        ["dot", "-Tplain"], input=source, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    nodes = [one for one in done.stdout.splitlines() if one.startswith("node ")]
    assert len(nodes) == len(EVIL) + 1


def test_the_formats():
    assert set(FORMATS) == {"text", "dot", "mermaid"}
