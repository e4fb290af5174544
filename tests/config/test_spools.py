"""The options of spools, as the INI gives them."""

import pytest

from ccproxy.config.build import build
from ccproxy.config.spools import Keep
from ccproxy.core.delivery.spool_settings import SpoolSettings
from ccproxy.plugins import Plugins

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = local
[routes]
a = h:far, h:near
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:5001
{far}
[h:near]
handler = proxy
remote-cc = tcp://127.0.0.1:5002
{near}
"""


@pytest.fixture
def built(tmp_path):
    def built(far, near=""):
        file = tmp_path / "server.ini"
        file.write_text(INI.format(far=far, near=near), "utf-8")
        plan, problems = build(str(file), {}, Plugins())
        return plan, [(one.what, one.hint, one.warning) for one in problems]

    return built


def test_without_the_option_there_is_no_spool(built):
    plan, problems = built("delivery = acknowledged")
    assert problems == []
    assert plan.handler("h:far").options.spooled is None


def test_the_options(built):
    plan, problems = built(
        "delivery = acknowledged\nspool = /var/spool/far/\nspool-size = 2 GiB\n"
        "spool-keep = 7 d\nspool-sync = normal\non-full = drop-old"
    )
    assert problems == []
    assert plan.handler("h:far").options.spooled == SpoolSettings(
        "/var/spool/far", 2 << 30, "drop-old", False, 0, 7 * 86400.0
    )


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("0", Keep()), ("1 GiB", Keep(size=1 << 30)), ("64K", Keep(size=65536)),
        ("5000", Keep(size=5000)), ("10 m", Keep(seconds=600.0)), ("2 h", Keep(seconds=7200.0)),
    ],
)  # fmt: skip
def test_what_is_kept_is_a_size_or_a_time(built, text, keep):
    plan, problems = built(f"delivery = acknowledged\nspool = /x\nspool-keep = {text}")
    assert problems == []
    assert plan.handler("h:far").options.spool_keep == keep


@pytest.mark.parametrize(
    ("far", "what"),
    [
        ("spool-keep = much", 'found "much", expected a size such as 1 GiB, or a time'),
        ("spool-size = 1000", "expected a size of at least 1 MiB"),
        ("spool-sync = off", "expected full or normal"),
        ("spool = /x", "[h:far] has a spool, but delivery = sent puts nothing into it"),
    ],
)
def test_mistakes(built, far, what):
    plan, [(found, _, warning)] = built(far)
    assert plan is None and what in found and not warning


def test_a_relative_folder_is_warned_about(built):
    plan, problems = built("delivery = acknowledged\nspool = spool")
    assert plan is not None
    what = "spool = spool is another folder for a server that is started elsewhere"
    assert problems == [(what, "give the whole path", True)]


def test_two_links_need_two_folders(built):
    spool = "delivery = acknowledged\nspool = /x/{}"
    assert built(spool.format("a"), spool.format("b"))[1] == []
    plan, problems = built(spool.format("a"), spool.format("a/"))
    what = "[h:near] and [h:far] have the same spool /x/a/"
    assert plan is None and problems == [(what, "give each of them a folder of its own", False)]
