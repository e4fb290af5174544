"""The control socket of real servers: the verb `status`, curl, reloads, users, other servers."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ccproxy.process.control_socket import places

SECONDS = 60
USER = os.geteuid()
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 100 ms
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""


@pytest.fixture
def ccserver(forks):
    """Run a command to its end."""

    def ccserver(*words):
        return forks.run(*map(str, words))

    return ccserver


def file_of(server):
    return server.directory / "server.ini"


def curl(path, target, *options):
    """The code and the value of an answer."""
    done = subprocess.run(
        ["curl", "--silent", "--write-out", "\n%{http_code}", *options, "--unix-socket", path,
         f"http://localhost{target}"],
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    body, _, code = done.stdout.rpartition("\n")
    return int(code), json.loads(body)


def test_status_shows_a_server_and_what_is_wrong_with_it(start, dial, ccserver):
    server = start(SERVER)
    wire = dial().greet()
    for _ in range(3):
        wire.send(b"", b"data", b"x")
    wire.send(b"", b"nowhere", b"x")
    server.wait_for("no route: nowhere")
    server.wait_for("no connection link=h:next")
    done = ccserver("status", file_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    out = done.stdout
    assert out.startswith("server: running for ")
    assert f"process {server.process.pid} of user {USER}" in out
    assert f"tcp://127.0.0.1:{server.ports['PORT1']}" in out
    assert "refused" in out and "Connection refused" in out
    assert "of all 3: waiting 3" in out
    assert "received 4 (" in out
    assert "forwarded         3  " in out and "unrouted          1  " in out
    value = json.loads(ccserver("status", "--json", file_of(server)).stdout)
    assert value["ledger"]["fates"] == {"forwarded": 3, "unrouted": 1}
    assert value["peers"] == 1
    assert [one["state"] for one in value["links"]] == ["refused"]


def test_status_works_while_the_file_has_mistakes(start, ccserver):
    server = start(SERVER)
    for text in (SERVER.replace("h:echo\n[", "h:gone\n["), "[routes", "\0"):
        file_of(server).write_text(text)
        assert ccserver("status", file_of(server)).returncode == 0
    file_of(server).unlink()
    assert ccserver("status", file_of(server)).returncode == 0
    assert ccserver("status", server.control).returncode == 0


def test_status_of_a_server_that_does_not_run(start, ccserver):
    server = start(SERVER)
    path = server.control
    assert server.stop() == 0
    assert not path.exists()
    done = ccserver("status", file_of(server))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ccserver: no server answers: there is no socket ")
    assert str(path) in done.stderr


def test_the_place_does_not_depend_on_the_environment_of_the_caller(start, tmp_path):
    server = start(SERVER)
    bare = {
        "PATH": os.environ["PATH"],
        "HOME": "/",
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": "/x",
    }
    command = [sys.executable, "-m", "ccproxy", "status", "server.ini"]
    assert subprocess.run(command, cwd=server.directory, env=bare, check=False).returncode == 0


def test_curl_reads_everything(start, dial):
    server = start(SERVER)
    path = server.control
    wire = dial().greet()
    for number in range(250):
        wire.send(b"", b"data.%d" % number, b"x")
    wire.send(b"", b"nowhere", b"x")
    server.wait_for("no route: nowhere")
    code, status = curl(path, "/v1/status")
    assert (code, status["flows"], status["process"]["pid"]) == (200, 251, server.process.pid)
    found, after = [], ""
    while after is not None:
        code, page = curl(path, f"/v1/status/flows?after={after}&most=100")
        assert code == 200
        found += [one["type"] for one in page["items"]]
        after = page["next"]
    assert found == sorted([*(f"data.{number}" for number in range(250)), "nowhere"])
    assert curl(path, "/v1/status/types?most=1")[1]["total"] == 251
    [peer] = curl(path, "/v1/status/peers")[1]["items"]
    assert peer["listener"] == "ccserver"
    assert curl(path, "/v1/status/peers?after=x/y")[0] == 400
    assert curl(path, "/v1/nothing")[0] == 404
    assert curl(path, "/v1/reload")[0] == 405


def test_a_reload_answers_what_changed_or_what_is_wrong(start, fill, ccserver):
    server = start(SERVER)
    path = server.control
    file_of(server).write_text(
        fill(SERVER.replace("echo = h:echo", "echo = h:echo\nmore = h:echo"))
    )
    done = ccserver("-r", file_of(server))
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded: routes changed\n", "")
    file_of(server).write_text(fill(SERVER.replace("echo = h:echo", "echo = h:gone")))
    done = ccserver("-r", file_of(server))
    assert (done.returncode, done.stdout) == (78, "")
    assert "server.ini:8: " in done.stderr and "h:gone" in done.stderr
    assert done.stderr.endswith("ccserver: reload failed: the old configuration stays\n")
    code, value = curl(path, "/v1/reload", "--request", "POST")
    assert (code, value["adopted"], value["problems"][0]["line"]) == (422, False, 8)
    taken = f"[listen:x]\nprotocol = cc\naddress = ipc://{file_of(server)}/x\n"
    file_of(server).write_text(fill(SERVER + taken))
    done = ccserver("-r", file_of(server))
    assert (done.returncode, done.stdout) == (1, "")
    assert "[listen:x] cannot listen on" in done.stderr
    assert curl(path, "/v1/reload", "--request", "POST")[0] == 409
    file_of(server).write_text(fill(SERVER))
    code, value = curl(path, "/v1/reload", "--request", "POST")
    assert (code, value["change"]["routes"], value["text"]) == (200, True, "routes changed")


def test_only_the_user_of_the_server_can_reach_it(start):
    path = start(SERVER).control
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == USER
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_of_two_servers_of_one_file_the_first_keeps_the_socket(start, fill, ports, ccserver):
    first = start(SERVER)
    path = first.control
    second = start(SERVER.replace("PORT1", "PORT3"))
    assert second.count(
        f"no control socket, `ccserver status` will not work: another server has {path}"
    )
    value = json.loads(ccserver("status", "--json", file_of(first)).stdout)
    assert value["process"]["pid"] == first.process.pid
    assert second.stop() == 0
    assert ccserver("status", file_of(first)).returncode == 0


def test_a_socket_that_a_killed_server_left_is_replaced(start, ccserver):
    # Its own place: in the directory that all servers share, the next one to start removes it.
    ini = SERVER.replace("[routes]", "control = here.sock\n[routes]")
    first = start(ini)
    path = first.control
    first.kill()
    assert path.is_socket()
    done = ccserver("status", file_of(first))
    assert (done.returncode, f"{path}: its server has ended" in done.stderr) == (1, True)
    second = start(ini)
    assert second.control == path
    assert ccserver("status", file_of(second)).returncode == 0


def test_a_place_of_the_operators_choice(start, ccserver):
    server = start(SERVER.replace("[routes]", "control = here.sock\n[routes]"))
    assert server.control == server.directory / "here.sock"
    assert stat.S_IMODE(server.control.stat().st_mode) == 0o600
    assert ccserver("status", file_of(server)).returncode == 0


def test_a_server_without_a_control_socket(start, fill, ccserver):
    ini = SERVER.replace("[routes]", "control = no\npidfile = %(config_dir)s/x.pid\n[routes]")
    server = start(ini)
    assert not server.count("control socket")
    done = ccserver("status", file_of(server))
    assert (done.returncode, "control = no" in done.stderr) == (1, True)
    done = ccserver("-r", file_of(server))
    assert (done.returncode, "told to reload by signal" in done.stderr) == (0, True)
    server.wait_for("reloaded: nothing changed")
    file_of(server).write_text(fill(ini.replace("handler = echo", "handler = none")))
    assert ccserver("-r", file_of(server)).returncode == 78
    assert server.count("reloaded: ") == 1


def test_a_place_that_cannot_be_had_is_a_warning(start):
    server = start(SERVER.replace("[routes]", "control = no/such/folder/x.sock\n[routes]"))
    assert server.count("no control socket, `ccserver status` will not work: ")
    assert server.count("No such file or directory")


def other_user(number, *words):
    """A command as another user; the modules are loaded before, because the checkout is ours."""
    program = (
        "import ccproxy.cli, ccproxy.commands.run, ccproxy.commands.status, ccproxy.server.server\n"
        "import ccproxy.plugins, ccproxy_handlers.echo, ccproxy_handlers.proxy, uvloop, os\n"
        "import encodings.ascii, encodings.idna\n"
        f"os.setgroups([]); os.setresuid({number}, {number}, {number})\n"
        f"raise SystemExit(ccproxy.cli.main({[str(word) for word in words]!r}))"
    )
    return [sys.executable, "-c", program]


def run(program):
    return subprocess.run(
        program, capture_output=True, text=True, timeout=SECONDS, check=False, cwd="/"
    )


@pytest.mark.skipif(USER != 0, reason="only root can become another user")
def test_a_server_of_another_user_is_found_by_that_user_and_by_root(fill):
    """The user's directory is in /tmp; a third user is told nothing."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "other.ini"
        file.write_text(fill(SERVER))
        path = places(file, 4294)[2]
        program = other_user(4294, "run", file)
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, cwd="/") as process:
            lines = []
            while "ready data-path" not in "".join(lines[-1:]):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            assert f"control socket={path}" in "".join(lines)
            for user in (4294, 0):
                done = run(other_user(user, "status", file))
                assert (done.returncode, "of user 4294" in done.stdout) == (0, True), done.stderr
            for asked in (file, path):
                done = run(other_user(4295, "status", asked))
                assert (done.returncode > 0, done.stdout) == (True, "")
            process.terminate()
            process.stderr.read()
        assert process.returncode == 0
        assert not path.exists()
