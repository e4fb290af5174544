"""The options of a Manager's section."""

from dataclasses import fields

import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.ssmmp.manager import ManagerSettings
from ccproxy_handlers.ssmmp.manager.handler import SsmmpManager
from ccproxy_handlers.ssmmp.manager.options import Options


def options(**given):
    return options_for(SsmmpManager, {"graph": "/g", "state": "/s", **given})


def test_every_timer_of_the_engine_is_an_option():
    assert {one.name for one in fields(ManagerSettings)} < {one.name for one in fields(Options)}
    assert isinstance(options(), ManagerSettings)


def test_the_state_survives_a_power_cut_and_only_the_own_listener_operates_by_default():
    found = options()
    assert (found.state_sync, found.operate_from) == ("full", ("ccserver",))


def test_times_have_units_and_a_name_of_an_option_may_differ_from_its_field():
    found = options(**{"start-timeout": "2 m", "shun": "500 ms"})
    assert (found.start_timeout, found.retry_after_failure) == (120.0, 0.5)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("state-sync", "often", "full or normal"),
        ("misses", "0", "1 or more"),
        ("tombstone", "x", "a time such as"),
    ],
)
def test_what_is_no_value_is_refused(name, value, expected):
    with pytest.raises(ValueError, match=f'found "{value}", expected .*{expected}'):
        options(**{name: value})
