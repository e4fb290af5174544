"""What an instance is told by its environment."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.service import Configuration


def test_the_environment_says_which_instance_it_is(environment):
    found = Configuration.from_environment(environment)
    assert (found.service, found.instance, found.token) == ("orders", 7, "secret")
    assert found.port("admin") == 54002
    assert found.plug("store_client") == ssmmp.PlugEntry("store_client", "store", "sql")
    assert found.plug("mail", "smtp").socket == "smtp"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"SSMMP_AGENT": ""}, "SSMMP_AGENT is not set"),
        ({"SSMMP_INSTANCE_ID": "x"}, "positive integer"),
        ({"SSMMP_SOCKETS": "((a, b))"}, "port"),
        ({"SSMMP_PLUGS": "((a, b"}, "parentheses"),
    ],
)
def test_a_wrong_environment_is_named(environment, changes, what):
    with pytest.raises(ValueError, match=what):
        Configuration.from_environment(environment | changes)


def test_plugs_and_sockets_that_are_not_there_are_named(environment):
    configuration = Configuration.from_environment(environment)
    with pytest.raises(ValueError, match="there are store_client, mail"):
        configuration.plug("stor")
    with pytest.raises(ValueError, match="say the socket of post"):
        configuration.plug("mail")
    with pytest.raises(ValueError, match="there are orders_api, admin"):
        configuration.port("web")
