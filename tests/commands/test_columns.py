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
