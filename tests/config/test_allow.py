"""The sections of names: what they allow, and what is wrong with them."""

import pytest

from ccproxy.commands.common import load
from ccproxy.core.rights import Rights

KEY = "HelloWorld" * 4
HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:1
cc-role = local
[routes]
"""


@pytest.fixture
def plan(ini):
    def plan(text):
        found, problems = load(ini(HEAD + text))
        return found, [str(one).partition(":")[2] for one in problems]

    return plan


def test_sections_become_rights(plan):
    found, problems = plan(
        f"[allow:sensor]\ncurve = {KEY}\nsend = log.*, job\n"
        "[allow:joe]\nplain = joe\nsubscribe = a., b\noperate = yes\n"
        "[allow:mute]\nplain = mute\nsend =\n"
    )
    assert not problems
    sensor, joe, mute = found.allow
    assert (sensor.kind, sensor.value) == ("curve", KEY)
    assert sensor.rights == Rights("sensor", ("log.*", "job"))
    assert (joe.kind, joe.value) == ("plain", "joe")
    assert joe.rights == Rights("joe", None, ("a.", "b"), operate=True)
    assert mute.rights == Rights("mute", ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[allow:x]\n",
            "6: [allow:x] needs one of curve, plain and tls; curve = KEY, plain = USER, or",
        ),
        (
            f"[allow:x]\ncurve = {KEY}\nplain = u\n",
            "6: [allow:x] needs one of curve, plain and tls",
        ),
        ("[allow:x]\ncurve = key\n", '7: "curve" in [allow:x]: found 3 characters, expected a key'),
        ("[allow:]\nplain = u\n", "6: [allow:] has no name; write [allow:NAME]"),
        ("[allow:x]\nplain = u\nsned = a\n", '8: unknown option "sned" in [allow:x]; did you mean'),
        (
            "[allow:x]\nplain = u\n[allow:y]\nplain = u\n",
            "8: [allow:y] is about the same peer as [allow:x]; see line 6",
        ),
        ("[routes]\nx = allow:x\n[allow:x]\nplain = u\n", "is no handler section"),
    ],
)
def test_mistakes(plan, text, problem):
    found, problems = plan(text)
    assert found is None
    assert any(problem in one for one in problems), problems


def test_a_reload_sees_the_difference(plan):
    from ccproxy.config.diff import diff

    before, _ = plan("[allow:x]\nplain = u\n")
    after, _ = plan("[allow:x]\nplain = u\nsend = a\n")
    assert str(diff(before, after)) == "[allow:...] sections changed"
    assert not diff(before, before)
