"""Which control connection belongs to which instance."""

import pytest


@pytest.mark.parametrize(
    ("change", "status"),
    [({"token": "guess"}, 403), ({"program": "job"}, 404), ({"key": 9}, 404), ({"conn": "x"}, 409)],
)
def test_false_hellos(harness, change, status):
    harness.up()
    actions = harness.attach(**{"conn": "y", **change})
    assert harness.short(actions) == [("instance_hello_response", status)]


def test_without_hello_the_first_message_names_the_instance(harness, make_harness):
    harness.execute()
    harness.do("spawned", 2, 77)
    assert ("execution_response", 200) in harness.short(harness.ask())
    strict = make_harness(token_required=True)
    strict.execute()
    strict.do("spawned", 2, 77)
    assert strict.short(strict.ask()) == [("session_response", 403)]
