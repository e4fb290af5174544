import pytest

from ccproxy_handlers.redirect import moves
from ccproxy_handlers.redirect.location import Location


def test_what_is_asked_for():
    assert moves.read({}) == moves.Move()
    assert moves.read({"location": "socket://h:2", "protocol": "http", "save": True}) == moves.Move(
        Location("h", 2), "http", True
    )
    assert moves.is_move("relocate.sum")
    assert not moves.is_move("relocate")
    assert not moves.is_move("relocated.sum")


@pytest.mark.parametrize(
    "fields", [{"location": 1}, {"location": "x"}, {"protocol": "soap"}, {"protocol": ["http"]},
               {"save": 1}],
)  # fmt: skip
def test_what_cannot_be_read(fields):
    with pytest.raises(ValueError, match="expected"):
        moves.read(fields)
