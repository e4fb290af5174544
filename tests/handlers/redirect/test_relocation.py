import pytest

from ccproxy_handlers.redirect import relocation
from ccproxy_handlers.redirect.location import Location


def test_what_is_asked_for():
    assert relocation.read({}) == relocation.Relocation()
    assert relocation.read(
        {"location": "socket://h:2", "protocol": "http", "save": True}
    ) == relocation.Relocation(Location("h", 2), "http", True)
    assert relocation.is_relocation("relocate.sum")
    assert not relocation.is_relocation("relocate")
    assert not relocation.is_relocation("relocated.sum")


@pytest.mark.parametrize(
    "fields", [{"location": 1}, {"location": "x"}, {"protocol": ["http"]},
               {"save": 1}],
)  # fmt: skip
def test_what_cannot_be_read(fields):
    with pytest.raises(ValueError, match="expected"):
        relocation.read(fields)
