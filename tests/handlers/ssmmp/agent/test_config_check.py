"""What `check` says of an agent's section."""

from ccproxy import Plan
from ccproxy.testing import options_for
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent


def test_check_names_what_is_missing(options, tmp_path):
    handler = SsmmpAgent("h:agent", options_for(SsmmpAgent, options))
    plan = Plan("a.ini", "a", None, (), (), ())
    whats = [one.what for one in handler.check(plan)]
    assert "no listener with protocol = ssmmp is there" in whats[0]
    assert "no route leads to it" in whats[1]
    (tmp_path / "repo.ini").write_text("[program a]\n")
    assert any("lacks" in one.what for one in handler.check(plan))
    (tmp_path / "repo.ini").unlink()
    assert any("No such file" in one.what for one in handler.check(plan))
