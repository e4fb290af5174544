"""The options of the agent."""

import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent


@pytest.mark.parametrize(
    ("option", "text", "what"),
    [
        ("manager", "ssmmp://host", "port"),
        ("manager", "http://host:1", "expected"),
        ("address", "somewhere", "network address"),
    ],
)
def test_wrong_options_are_named(options, option, text, what):
    with pytest.raises(ValueError, match=what):
        options_for(SsmmpAgent, options | {option: text})
