import json
from pathlib import Path

import pytest

from ccproxy.protocols.ssmmp.table import FIELDS, HOPS, ROWS, TYPES, Actor, Edition, rows

VECTORS = Path(__file__).parents[2] / "vectors" / "ssmmp" / "spec"
EDITIONS = {Edition.BASE: "base.json", Edition.V11: "edition-1.1.json"}


def listed(edition: Edition) -> list[tuple]:
    found = json.loads((VECTORS / EDITIONS[edition]).read_text("utf-8"))["messages"]
    return [
        (
            one["type"], one["sub_type"] or "", one["from"], one["to"],
            tuple(k for k, _ in one["fields"] if k not in ("type", "message_id", "sub_type")),
        )
        for one in found
    ]  # fmt: skip


@pytest.mark.parametrize("edition", Edition)
def test_the_table_is_the_catalogue(edition):
    ours = [
        (row.type, row.sub_type, row.sender.value, row.receiver.value, row.lines(edition))
        for row in rows(edition)
    ]
    assert sorted(ours) == sorted(listed(edition))


def test_the_31_hops_of_the_base_edition_in_order():
    assert [row.number for row in rows(Edition.BASE)] == list(range(1, 32))


def test_every_line_has_a_kind_and_every_kind_of_line_is_used():
    used = {line for row in ROWS for edition in Edition for line in row.lines(edition)}
    assert used == set(FIELDS)


def test_rows_are_told_apart():
    assert len(HOPS) == len(ROWS)
    for rows_ in TYPES.values():
        subs = [row.sub_type for row in rows_ if row.origin != "reference"]
        assert len(set(subs)) == len(subs)


def test_every_request_is_answered_on_the_same_hop():
    for row in ROWS:
        if row.type.endswith("_request") and row.origin != "reference":
            answer = row.type.replace("_request", "_response")
            assert row.answer == answer
            asked_back = (answer, row.receiver, row.sender)
            assert asked_back in HOPS or row.number == 6


def test_an_instance_never_talks_to_the_manager():
    ends = {Actor.INSTANCE, Actor.MANAGER}
    assert all({row.sender, row.receiver} != ends for row in ROWS)
