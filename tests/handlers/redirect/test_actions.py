from ccproxy.protocols.jolie.values import Result, Tree
from ccproxy_handlers.redirect.actions import (
    CloseConnection,
    OpenConnection,
    Respond,
    WriteRequest,
)
from ccproxy_handlers.redirect.location import Location


def test_actions_are_values():
    where = Location("h", 1)
    assert OpenConnection(1, where) == OpenConnection(1, Location("h", 1))
    assert CloseConnection(1) != CloseConnection(2)
    assert len({OpenConnection(1, where), OpenConnection(1, where), CloseConnection(1)}) == 2


def test_the_frequent_ones_can_be_taken_apart():
    connection, request, id = WriteRequest(1, b"x", 7)
    assert (connection, request, id) == (1, b"x", 7)
    answer = Result(Tree(8))
    caller, found = Respond("a", answer)
    assert caller == "a" and found is answer
