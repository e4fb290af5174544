import os
import subprocess
import sys

import pytest

from ccproxy_handlers.ssmmp.agent import proc


def test_a_process_is_known_by_its_start():
    assert proc.started(os.getpid()) == proc.started(os.getpid()) != ""
    assert proc.started(2**22 + 1) == ""


def test_one_that_has_ended_has_no_start():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert proc.started(child.pid) == "", "it is not reaped yet, and ended all the same"
    child.wait()
    child.stdout.close()


def test_a_process_is_found_by_its_token():
    env = {**os.environ, "SSMMP_TOKEN": "the-token-of-this-test"}
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], env=env, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout.readline()
    assert proc.find("SSMMP_TOKEN", "the-token-of-this-test") == child.pid
    child.communicate(b"\n")
    assert proc.find("SSMMP_TOKEN", "the-token-of-this-test") == 0


def test_users():
    with pytest.raises(ValueError, match="no user 'nobody-at-all'"):
        proc.switched("nobody-at-all")
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert proc.switched(me) == {}
    assert proc.home(me)["USER"] == me
    if os.geteuid() == 0:
        assert proc.switched("nobody")["user"] != 0
    else:
        with pytest.raises(PermissionError, match="only root"):
            proc.switched("root")
