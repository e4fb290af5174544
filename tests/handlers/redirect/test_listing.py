import pytest

from ccproxy_handlers.redirect import listing

FACTS = {
    "h:calc": {
        "resources": {"Sum": "h:sum", "Mul": "socket://h:3 in http"},
        "changed": {"Mul": "added, saved", "Sub": "removed"},
        "state": "/x/calc.state",
    },
    "h:sum": {"location": "socket://h:2", "protocol": "sodep", "calls": 4, "moved": "from x"},
}


def test_a_line_for_each_place_and_resource():
    found = [line.split() for line in listing.lines(listing.places(FACTS))]
    assert found == [
        ["REDIRECT", "RESOURCE", "TO", "CALLS", "CHANGED", "KEPT", "IN"],
        ["h:calc", "Sum", "h:sum", "-", "-", "/x/calc.state"],
        ["h:calc", "Mul", "socket://h:3", "in", "http", "-", "added,", "saved", "/x/calc.state"],
        ["h:calc", "Sub", "-", "-", "removed", "/x/calc.state"],
        ["h:sum", "-", "socket://h:2", "in", "sodep", "4", "from", "x", "-"],
    ]
    assert list(listing.rest(FACTS)) == []


def test_what_is_left_out_is_said():
    facts = {"h:calc": {"resources": {"A": "h:a"}, "resources-in-all": 7}}
    [line] = listing.rest(facts)
    assert "6 more" in line


def test_a_text_of_a_stranger_stays_in_its_line():
    [_, line] = listing.lines(listing.places({"h:x": {"changed": {"A": "\x1b[31m\n"}}}))
    assert "\\x1b[31m\\n" in line


@pytest.mark.parametrize("facts", [7, {"resources": 7}, {"location": "x", "changed": 7}])
def test_an_answer_of_another_version(facts):
    with pytest.raises(ValueError):
        listing.places({"h:x": facts})
