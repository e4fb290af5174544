import pytest

from ccproxy_handlers.redirect.destination import (
    LONGEST_NAME,
    ResourceDestination,
    resource_name,
)
from ccproxy_handlers.redirect.location import Location


def test_what_an_operator_reads():
    assert str(ResourceDestination("h:sum")) == "h:sum"
    there = ResourceDestination("", Location("h", 1), "http")
    assert str(there) == "socket://h:1 in http"


@pytest.mark.parametrize(("text", "name"), [("Sum", "Sum"), (" /A/B/ ", "A/B"), ("a-b_1", "a-b_1")])
def test_names(text, name):
    assert resource_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "/", "a b", "A//B", "A.\x1b[31m", "é", "!", "A" * (LONGEST_NAME + 1)]
)
def test_what_is_no_name(text):
    with pytest.raises(ValueError, match="expected letters"):
        resource_name(text)
