"""The units for systemd: readable, that of a server restricted, that of an agent without limits."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 3.0
"""The exposure of the server's unit, from 0 to 10, as systemd-analyze rates it."""


@pytest.fixture
def unit(tmp_path):
    """A copy whose program exists here."""

    def unit(name):
        text = (UNITS / name).read_text().replace("/usr/local/bin/ccserver", "/bin/true")
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return unit


def service(name):
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text())
    return parser["Service"]


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("name", ["ccserver@.service", "ccserver-agent@.service"])
def test_systemd_can_read_it(unit, name):
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", unit(name)], capture_output=True, text=True, timeout=60
    )
    assert name not in done.stderr, done.stderr


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
def test_the_server_is_restricted(unit):
    done = subprocess.run(
        [ANALYZE, "security", "--offline=yes", "--no-pager", unit("ccserver@.service")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= MOST_EXPOSED, done.stdout[-2000:] + done.stderr


def test_what_an_agent_starts_survives_it_and_inherits_no_restriction():
    agent = service("ccserver-agent@.service")
    assert agent["KillMode"] == "process"
    inherited = ("Protect", "Private", "Restrict", "NoNewPrivileges", "SystemCall", "Capability")
    forbidden = [name for name in agent if name.startswith(inherited)]
    assert forbidden == ["RestartPreventExitStatus"] or forbidden == []


@pytest.mark.parametrize("name", ["ccserver@.service", "ccserver-agent@.service"])
def test_both_have_directories_and_a_reload_that_reports(name):
    found = service(name)
    assert found["ExecReload"].endswith("ccserver -r /etc/ccproxy/%i.ini")
    assert found["RuntimeDirectory"] == "ccserver/%i"
    assert found["WorkingDirectory"] == f"/var/lib/{found['StateDirectory']}"
    assert found["ConfigurationDirectory"] == "ccproxy"
