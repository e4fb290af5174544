"""The options of all listeners of calls."""

from ccproxy.config.plan import ListenerPlan
from ccproxy.protocols.jolie.options import CallListenerOptions, check


def test_only_the_policy_that_would_drop_answers_is_warned_of():
    for policy, warned in (("drop-old", 1), ("drop-new", 0), ("block", 0)):
        options = CallListenerOptions(type="calc", peer_on_full=policy)
        plan = ListenerPlan(
            "listen:c", "sodep", object, "tcp://127.0.0.1:0", options, 4, "x.ini",
            {"peer-on-full": 9},
        )  # fmt: skip
        problems = list(check(plan))
        assert len(problems) == warned
        assert all(one.line == 9 and one.warning and one.file == "x.ini" for one in problems)
