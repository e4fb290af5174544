"""Tables as text."""

from ccproxy.commands.columns import cell, columns


def test_columns():
    rows = [
        {"name": "web", "count": 5, "at": {"http": 8080}, "ok": True},
        {"name": "orders", "count": 12.5, "at": {}, "more": 1},
    ]
    assert list(columns(("name", "count", "at", "ok"), rows)) == [
        "NAME    COUNT  AT         OK",
        "web         5  http:8080  yes",
        "orders   12.5  -          -",
    ]
    assert list(columns(("name",), [])) == []


def test_cells():
    assert [cell(one) for one in (None, "", [], ["a", 1], False, 0)] == [
        "-", "-", "-", "a,1", "no", "0",
    ]  # fmt: skip
    assert "\n" not in cell("a\nb")


def test_values_inside_others_look_like_those_outside():
    member = {"section": "h:a", "reason": "", "there": False}
    assert cell([member, member]) == "(section: h:a; there: no),(section: h:a; there: no)"
    facts = {"to": ["h:a", "h:b"], "members": [member], "well": True, "pong": None}
    assert cell(facts) == "to:h:a,h:b members:(section: h:a; there: no) well:yes pong:-"
