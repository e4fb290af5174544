import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie import paths
from ccproxy.wire.cc import valid_type

VECTORS = Path(__file__).parents[2] / "vectors" / "jolie"
CASES = json.loads((VECTORS / "paths.json").read_text("utf-8"))["cases"]
OTHERWISE = {"/Sum//A": "/A", "/Sum/!/A": "/A", "/!/Sum": "/", "//Sum": "/"}
"""Where we drop empty and `!` names, which the original keeps and then stumbles over."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["resource_path"])
def test_paths_of_the_original(case):
    names = paths.names(case["resource_path"])
    expected = OTHERWISE.get(case["resource_path"], case["forwarded_resource_path"])
    if names[:1] == ("Sum",):
        assert paths.path_of(names[1:]) == expected
    else:
        assert expected is None


@pytest.mark.parametrize("path", ["/A/B", "/!/A/B", "/!/A/!/B", "/A/B/", "//A///B//", "/A/!/B/!"])
def test_spellings_of_one_nested_resource(path):
    assert paths.names(path) == ("A", "B")


@given(st.text(alphabet="/!AB", max_size=12))
@settings(deadline=None)
def test_a_path_made_of_names_has_these_names(path):
    names = paths.names(path)
    assert paths.names(paths.path_of(names)) == names


def test_types():
    assert paths.type_of("calc", ("Sum",), "sum") == "calc.Sum.sum"
    assert paths.type_of("calc", ("A", "B"), "op") == "calc.A.B.op"
    assert paths.type_of("calc", (), "sum") == "calc.sum"
    assert paths.type_of("rpc", (), "textDocument/hover") == "rpc.textDocument_hover"


@given(st.lists(st.text(min_size=1)), st.text())
@settings(deadline=None)
def test_every_call_has_a_type_with_a_part_for_each_name(names, operation):
    type = paths.type_of("calc", names, operation)
    assert valid_type(type.encode())
    assert type.count(".") == len(names) + 1
