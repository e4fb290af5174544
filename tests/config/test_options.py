"""Option tables: names, defaults and what a declaration says."""

from dataclasses import dataclass

import pytest

from ccproxy.config import kinds
from ccproxy.config.delivery import DeliveryOptions
from ccproxy.config.options import NoOptions, like, option, options_of, shared


@dataclass(frozen=True, slots=True)
class Options:
    remote_cc: str = option(kinds.address, help="far side")
    ping: bool = option(kinds.flag, default=False, help="watch it", reloadable=False, secret=True)
    linger: float = option(kinds.duration("ms"), default=0.5, help="wait", aliases=("zmq_linger",))
    zmq_hwm: int = option(kinds.natural, default=0, help="limit", name="zmq_hwm", ignored=True)


def test_names_come_from_the_fields_unless_given():
    assert [one.name for one in options_of(Options)] == ["remote-cc", "ping", "linger", "zmq_hwm"]
    assert [one.field for one in options_of(Options)] == ["remote_cc", "ping", "linger", "zmq_hwm"]


def test_what_is_declared_is_in_the_table():
    remote, ping, linger, hwm = options_of(Options)
    assert (remote.required, ping.required) == (True, False)
    assert (ping.reloadable, ping.secret, ping.default) == (False, True, False)
    assert (remote.reloadable, remote.secret, remote.ignored) == (True, False, False)
    assert linger.aliases == ("zmq_linger",)
    assert hwm.ignored


def test_options_are_given_by_name_and_required_ones_must_be():
    assert Options(remote_cc="tcp://h:1").linger == 0.5
    with pytest.raises(TypeError):
        Options()
    with pytest.raises(TypeError):
        Options("tcp://h:1")


def test_a_handler_without_options():
    assert list(options_of(NoOptions)) == []


def test_tables_share_the_options_of_the_same_fields():
    @dataclass(frozen=True)
    class Other:
        linger: float = option(kinds.duration("ms"), default=1.0, help="wait")
        own: int = option(kinds.natural, default=7, help="of this table only")

    given = shared(Options(remote_cc="tcp://h:1", linger=0.25), Other)
    assert given == {"linger": 0.25} and Other(**given).own == 7


def test_a_property_with_the_name_of_an_option_is_not_its_value():
    @dataclass(frozen=True, slots=True)
    class Link:
        @property
        def mode(self):
            return "sent"

    @dataclass(frozen=True, slots=True)
    class Listener:
        mode: int | None = option(kinds.file_mode, default=None, help="permissions")

    assert shared(Link(), Listener) == {}


def test_an_option_of_another_table_is_declared_like_it():
    @dataclass(frozen=True, slots=True)
    class Other:
        delivery: str = like(DeliveryOptions, "delivery")

    [one] = options_of(Other)
    [same] = [each for each in options_of(DeliveryOptions) if each.field == "delivery"]
    assert one == same and Other().delivery == "sent"
