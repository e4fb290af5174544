"""Why an instance does not run, in words."""

import pytest

from ccproxy_handlers.ssmmp.manager.engine import reasons
from ccproxy_handlers.ssmmp.manager.engine.rows import InstanceRow
from ccproxy_handlers.ssmmp.manager.engine.tables import InstanceState


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("PLANNED", 0, "there is no place for instance 3"),
        ("STARTING", 0, "instance 3 on n was not ready in time"),
        ("FAILED", 423, "instance 3 on n, status 423 (a port is taken there)"),
        ("FAILED", 418, "instance 3 on n, status 418"),
    ],
)
def test_what_is_known_of_an_instance_is_said(state, status, says):
    row = InstanceRow(3, "web", "web", InstanceState(state), "n", status=status)
    assert reasons.of_instance(row) == says
    assert reasons.of_product(row) == f": {says}"
    assert reasons.of_product(None) == ""
