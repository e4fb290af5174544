import os
import socket
import subprocess
import sys

import pytest

from ccproxy.testing import free_ports
from ccproxy_handlers.ssmmp.agent import proc

LISTENER = """
import os, socket, subprocess, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    os.set_inheritable(server.fileno(), True)
    print(server.getsockname()[1], flush=True)
    input()
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {LISTENER!r}])
"""


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


@pytest.mark.parametrize("program", [LISTENER, PARENT], ids=["itself", "its child"])
def test_a_listener_belongs_to_the_session_that_opened_it(program):
    child = subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    port = int(child.stdout.readline())
    try:
        assert proc.listens(child.pid, port)
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert not proc.listens(child.pid, other.getsockname()[1])
    finally:
        child.communicate(b"\n")


def test_a_port_without_a_listener_here_may_be_that_of_a_namespace():
    assert proc.listens(os.getpid(), free_ports(1)[0])
