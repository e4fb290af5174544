"""The plan: look-ups, equality, and a digest that counts what a server does and nothing else."""

import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from ccproxy import kinds, option
from ccproxy.config.plan import HandlerPlan

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:22632
cc-role = local
[routes]
log = h:out
echo = h:echo
[h:echo]
handler = echo
[h:out]
handler = proxy
remote-cc = tcp://127.0.0.1:22640
"""


def test_look_ups(plan_of):
    plan = plan_of(INI)
    assert plan.handler("h:out").options.remote_cc == "tcp://127.0.0.1:22640"
    assert plan.handler("h:nosuch") is None
    assert plan.listener("ccserver").address == "tcp://127.0.0.1:22632"
    assert plan.listener("h:out") is None
    assert plan.job_name == "x"


def test_plans_are_equal_whatever_their_lines_and_spelling(plan_of):
    spelled = "# note\n" + INI.replace("= echo", "= cc.handler.echo").replace("log =", "log  =\n ")
    one, two = plan_of(INI), plan_of(spelled)
    assert one == two
    assert one.digest == two.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("22632", "22633"),
        ("cc-role = local", "cc-role = remote"),
        ("cc-role = local", "cc-role = local\nlinger = 1 s"),
        ("log = h:out", "log = h:out, h:out"),
        ("log = h:out", "log.x = h:out"),
        ("22640", "22641"),
        ("handler = proxy", "handler = proxy\nqueue = 5 MiB"),
        ("handler = proxy", "handler = proxy\nping = yes"),
    ],
)
def test_the_digest_changes_with_what_the_server_does(plan_of, old, new):
    one, two = plan_of(INI), plan_of(INI.replace(old, new))
    assert one != two
    assert one.digest != two.digest


def test_the_digest_is_the_same_in_every_process(plan_of, tmp_path, finder):
    program = (
        "from ccproxy.config.build import build\n"
        "from ccproxy.plugins import Plugins\n"
        "from importlib.metadata import EntryPoint\n"
        "points = [EntryPoint(w, f'ccproxy_handlers.{w}:{c}', 'ccproxy.handlers')\n"
        "          for w, c in (('echo', 'Echo'), ('proxy', 'Proxy'))]\n"
        "points.append(EntryPoint('cc', 'ccproxy.protocols.cc.protocol:CcProtocol',\n"
        "                         'ccproxy.protocols'))\n"
        "print(build('x.ini', {}, Plugins(points))[0].digest)\n"
    )
    plan = plan_of(INI)
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == plan.digest
    assert len(plan.digest) == 12


def test_the_state_files_of_a_handler(tmp_path):
    class Stateful:
        @dataclass(frozen=True)
        class Options:
            text: str = option(kinds.text, default="x", help="no file")
            file: str = option(kinds.database, default="", help="a file")

    plan = HandlerPlan("h:x", "x", Stateful, Stateful.Options(), 1)
    assert plan.state_files == ()
    (tmp_path / "link").symlink_to(tmp_path)
    options = Stateful.Options(file=f"{tmp_path}/link/a.db")
    assert replace(plan, options=options).state_files == (str(tmp_path.resolve() / "a.db"),)
