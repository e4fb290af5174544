import pytest

from ccproxy_handlers.redirect import relocation
from ccproxy_handlers.redirect.destination import ResourceDestination
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.relocation import Relocation

THERE = {"location": "socket://h:2", "protocol": "http"}


def test_which_messages():
    assert all(map(relocation.is_relocation, ("relocate", "relocate.sum")))
    assert not any(map(relocation.is_relocation, ("relocated", "relocated.sum", "a.relocate")))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Relocation()),
        ({**THERE, "save": True}, Relocation(Location("h", 2), "http", True)),
        ({"add": "/A/B", **THERE}, Relocation(Location("h", 2), "http", add="A/B")),
        ({"add": "Sum", "section": "h:sum"}, Relocation(add="Sum", section="h:sum")),
        ({"remove": "Sum", "save": True}, Relocation(remove="Sum", save=True)),
    ],
)
def test_what_is_asked_for(fields, expected):
    assert relocation.read(fields) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"location": 1}, {"location": "x"}, {"protocol": ["http"]}, {"save": 1},
        {"add": "A"}, {"add": "A", "section": "h:a", **THERE}, {"add": 7, **THERE},
        {"add": "", **THERE}, {"add": "a b", **THERE}, {"remove": "A", **THERE},
        {"remove": ["A"]}, {"add": "A", "remove": "B"}, {"section": "h:a"},
        {"add": "A", "section": "h:a", "protocol": "http"}, {"remove": ""},
        {"location": "socket://h:1/" + "a" * 1000}, {"add": "A", "section": "h:" + "a" * 1000},
    ],
)  # fmt: skip
def test_what_cannot_be_read(fields):
    with pytest.raises(ValueError, match="expected"):
        relocation.read(fields)


def test_what_is_answered():
    before = Location("h", 1)
    assert relocation.moved({"calls": 0}, before) == {"calls": 0, "before": "socket://h:1"}
    to = ResourceDestination("h:sum")
    assert relocation.changed("A", to, None) == {"resource": "A", "to": "h:sum", "before": None}
