"""A real agent under a Manager by hand: start, readiness, end, restart, unmodified programs."""

import importlib.util
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ccproxy.testing import free_ports

HERE = Path(__file__).parent
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[listen:instances]
protocol = ssmmp
address = tcp://127.0.0.1:PORT2
[routes]
ssmmp = h:agent
[h:agent]
handler = ssmmp-agent
manager = ssmmp://127.0.0.1:{manager}
address = 127.0.0.1
node = here
repository = {folder}/repo.ini
state = {folder}/agent.db
output = {folder}/output
instances = tcp://127.0.0.1:PORT2
reconnect-first = 50 ms
reconnect-most = 200 ms
answer-timeout = 60 s
stop-timeout = 6 s
kill-timeout = 60 s
health-interval = 200 ms
health-timeout = 60 s
"""


def _load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


partners = _load("mesh_partners")


@pytest.fixture
def manager():
    made = partners.HandManager()
    yield made
    made.close()


@pytest.fixture
def agent(start, manager, tmp_path):
    """Start an agent with these programs; what it started is killed at the end."""
    found = []

    def agent(repository, name="agent"):
        (tmp_path / "repo.ini").write_text(repository.replace("PYTHON", sys.executable))
        server = start(INI.format(manager=manager.port, folder=tmp_path), name)
        found.append(server)
        server.registered = manager.accept()
        return server

    yield agent
    for pid in processes(tmp_path):
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def processes(folder):
    """The processes whose environment was made by the agent of this test."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"TEST={folder}".encode() in (one / "environ").read_bytes().split(b"\0"):
                found.append(int(one.name))
    return found


def gone(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True


def program(name, text, **options):
    lines = "".join(f"{key} = {value}\n" for key, value in options.items())
    return f"[program {name}]\nexec = PYTHON -c {text!r}\n{lines}\n"


SLEEP = "import time; time.sleep(600)"


def test_start_and_hard_stop(agent, manager, tmp_path, until):
    agent(program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("job", 7)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    assert os.getpgid(pid) == os.getsid(pid) == pid
    id = manager.ask("hard_shutdown_request", service_name="job", service_instance_id=7)
    assert manager.expect("hard_shutdown_response", id).status == 200
    until(lambda: gone(pid))


def test_environment_and_working_directory(agent, manager, tmp_path, until):
    text = "import os, time; print(dict(os.environ), os.getcwd(), flush=True); time.sleep(600)"
    agent(
        program("job", text, ready="spawn", env=f"TEST={tmp_path} WHO=\"{{name}} {{id}}\"",
                directory=tmp_path, sockets="api", plugs="db")
    )  # fmt: skip
    [port] = free_ports(1)
    id = manager.execute("job", 8, [("api", port)], [("db", "store")])
    assert manager.expect("execution_response", id).status == 200
    log = tmp_path / "output" / "job-8.log"
    until(lambda: log.exists() and log.read_text().endswith(f" {tmp_path}\n"), "the whole line")
    printed = log.read_text()
    assert "'WHO': 'job 8'" in printed
    assert f"'SSMMP_SOCKETS': '((api, {port}))'" in printed
    assert "'SSMMP_PLUGS': '((db, store))'" in printed and "'SSMMP_INSTANCE_ID': '8'" in printed


def test_refusals(agent, manager, tmp_path):
    agent(
        program("job", SLEEP, ready="spawn", most=1, env=f"TEST={tmp_path}")
        + program("nobody", SLEEP, ready="spawn", user="no-such-user")
        + "[program missing]\nexec = /does/not/exist\nready = spawn\n"
    )
    answers = [("other", 404), ("nobody", 500), ("missing", 500), ("job", 200), ("job", 429)]
    for key, (name, status) in enumerate(answers, 20):
        found = manager.expect("execution_response", manager.execute(name, key))
        assert (name, found.status) == (name, status)


def test_dies_before_it_is_ready_and_after(agent, manager, tmp_path, until):
    agent(
        program("early", "raise SystemExit(3)", ready="hello", env=f"TEST={tmp_path}")
        + program("late", SLEEP, ready="spawn", env=f"TEST={tmp_path}")
    )
    assert manager.expect("execution_response", manager.execute("early", 30)).status == 502
    assert manager.expect("execution_response", manager.execute("late", 31)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    os.kill(pid, signal.SIGKILL)
    told = manager.expect("health_control_response")
    assert (told.status, told.number("service_instance_id")) == (502, 31)


def test_never_attaches(agent, manager, tmp_path, until):
    agent(program("mute", SLEEP, ready_timeout="300 ms", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("mute", 40)).status == 504
    until(lambda: not processes(tmp_path))


def test_ignores_the_stop_signal_and_leaves_children(agent, manager, tmp_path, until):
    stubborn = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.fork(); time.sleep(600)"
    )
    agent(program("stubborn", stubborn, ready="spawn", kill_grace="200 ms", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("stubborn", 50)).status == 200
    until(lambda: len(processes(tmp_path)) == 2)
    asked = {"service_name": "stubborn", "service_instance_id": 50}
    id = manager.ask("graceful_shutdown_request", **asked)
    assert manager.expect("graceful_shutdown_response", id).status == 504
    id = manager.ask("hard_shutdown_request", **asked)
    assert manager.expect("hard_shutdown_response", id).status == 200
    until(lambda: not processes(tmp_path))


def test_ready_when_it_says_so(agent, manager, tmp_path):
    text = (
        "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
        's.connect(chr(0) + os.environ[chr(78) + "OTIFY_SOCKET"][1:]); s.send(b"READY=1"); '
        "time.sleep(600)"
    )
    agent(program("said", text, ready="notify", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("said", 60)).status == 200


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_instances_outlive_their_agent(how, agent, manager, tmp_path, until):
    text = program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}")
    first = agent(text)
    assert manager.expect("execution_response", manager.execute("job", 70)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    first.kill() if how == "kill" else first.stop()
    second = agent(text, "second")
    assert second.registered.extra("x_running") == "((job, 70))"
    assert not gone(pid)
    # It is not this agent's child, and its end is seen all the same.
    os.kill(pid, signal.SIGKILL)
    assert manager.expect("health_control_response").number("service_instance_id") == 70


def test_an_instance_that_ended_meanwhile_is_not_taken_up(agent, manager, tmp_path, until):
    text = program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}")
    first = agent(text)
    assert manager.expect("execution_response", manager.execute("job", 71)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    first.stop()
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    assert agent(text, "second").registered.extra("x_running") == "()"


SERVER = """
import socket, sys, threading
def serve(c):
    with c:
        while data := c.recv(100):
            c.sendall(data.upper())
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=[c]).start()
"""
CLIENT = """
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    said = c.recv(100)
    if said:  # not the agent's look whether this port accepts
        f = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
        f.sendall(said)
        c.sendall(f.recv(100))
        c.recv(1)  # until the user leaves
        f.close()
    c.close()
"""


def unmodified(tmp_path):
    """A server and a client that know nothing of SSMMP."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    env = f"env = TEST={tmp_path}\nready = port\n"
    return (
        f"[program server]\nexec = PYTHON {tmp_path}/server.py {{port:api}}\nsockets = api\n{env}"
        f"[program client]\nexec = PYTHON {tmp_path}/client.py {{port:front}} {{plug:back}}\n"
        f"sockets = front\nplugs = back\nplug-sockets = back:api\nforward = yes\n{env}"
    )


def both(manager):
    """Start the two; the ports of server and client."""
    back, front = free_ports(2)
    assert manager.expect(
        "execution_response", manager.execute("server", 80, [("api", back)])
    ).status == 200  # fmt: skip
    id = manager.execute("client", 81, [("front", front)], [("back", "server")])
    assert manager.expect("execution_response", id).status == 200
    return back, front


def grant(manager, port):
    asked = manager.expect("session_request")
    assert (asked.text("source_plug_name"), asked.text("dest_socket_name")) == ("back", "api")
    manager.answer("session_response", asked.id, status=200, dest_socket_port=port,
                   dest_service_instance_network_address="127.0.0.1")  # fmt: skip
    return manager.expect("session_ack", asked.id)


def test_unmodified_programs(agent, manager, tmp_path):
    agent(unmodified(tmp_path))
    back, front = both(manager)
    with socket.create_connection(("127.0.0.1", front), 60) as user:
        user.sendall(b"hello")
        ack = grant(manager, back)
        assert ack.status == 200
        assert user.recv(100) == b"HELLO"
    closed = manager.expect("source_service_session_close_info")
    assert closed.number("source_plug_port") == ack.number("source_plug_port")
    id = manager.ask("graceful_shutdown_request", service_name="client", service_instance_id=81)
    assert manager.expect("graceful_shutdown_response", id).status == 200


def test_a_forwarded_session_is_closed_on_request(agent, manager, tmp_path, until):
    agent(unmodified(tmp_path))
    back, front = both(manager)
    with socket.create_connection(("127.0.0.1", front), 60) as user:
        user.sendall(b"hello")
        ack = grant(manager, back)
        assert user.recv(100) == b"HELLO"
        fields = dict(
            source_service_name="client", source_service_instance_id=81, source_plug_name="back",
            source_service_instance_network_address="127.0.0.1",
            source_plug_port=ack.number("source_plug_port"), dest_service_name="server",
            dest_service_instance_network_address="127.0.0.1", dest_socket_name="api",
            dest_socket_port=back, dest_socket_new_port=back,
        )  # fmt: skip
        for status in (200, 404):
            id = manager.ask("source_service_session_close_request", **fields)
            assert manager.expect("source_service_session_close_response", id).status == status


def test_a_forwarder_is_back_on_its_port_after_a_restart(agent, manager, tmp_path):
    text = unmodified(tmp_path)
    first = agent(text)
    back, front = both(manager)
    first.kill()
    second = agent(text, "second")
    assert "(client, 81" in second.registered.extra("x_running")
    with socket.create_connection(("127.0.0.1", front), 60) as user:
        user.sendall(b"again")
        assert grant(manager, back).status == 200
        assert user.recv(100) == b"AGAIN"


def test_the_manager_is_away(agent, manager, tmp_path, until):
    agent(program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("job", 90)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    for _ in range(3):
        again = manager.accept(208)
        assert again.extra("x_running") == "((job, 90))"
    assert not gone(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start programs as another user")
def test_another_user(agent, manager, tmp_path, until):
    text = f"exec = /bin/sleep 600\nready = spawn\nuser = nobody\nenv = TEST={tmp_path}"
    (tmp_path / "output").mkdir()
    agent(f"[program job]\n{text}\n")
    assert manager.expect("execution_response", manager.execute("job", 95)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Uid:\t0" not in status


def test_check_names_the_lines_of_the_repository(tmp_path, forks):
    (tmp_path / "repo.ini").write_text("[program a]\nexec = a\nreday = port\n")
    text = INI.format(manager=1, folder=tmp_path).replace("PORT1", "1001").replace("PORT2", "1002")
    text = text.replace("instances = tcp://127.0.0.1:1002", "instances = tcp://127.0.0.1:9")
    (tmp_path / "agent.ini").write_text(text)
    found = forks.run("check", str(tmp_path / "agent.ini"))
    said = found.stdout + found.stderr
    assert found.returncode and f"{tmp_path}/repo.ini:3: unknown option" in said
    assert "no listener with protocol = ssmmp is there" in said


def test_a_hand_written_instance(agent, manager, tmp_path, ports, until):
    """As `nc` would: no hello is needed if no token is required; only its own id is accepted."""
    agent(program("job", SLEEP, ready="hello", env=f"TEST={tmp_path}"))
    id = manager.execute("job", 96)
    until(lambda: processes(tmp_path))
    with socket.create_connection(("127.0.0.1", ports["PORT2"]), 60) as sock:
        sock.sendall(
            b"type: session_request ~ message_id: 5 ~ sub_type: service_to_agent ~ "
            b"source_service_name: job ~ source_service_instance_id: 96 ~ source_plug_name: p ~ "
            b"dest_service_name: b ~ dest_socket_name: s\n"
        )
        assert manager.expect("execution_response", id).status == 200
        sock.sendall(
            b"type: session_request ~ message_id: 6 ~ sub_type: service_to_agent ~ "
            b"source_service_name: job ~ source_service_instance_id: 97 ~ source_plug_name: p ~ "
            b"dest_service_name: b ~ dest_socket_name: s\n"
        )
        answers = b""
        while b"status: 403" not in answers:  # probes of its health may come before
            assert (data := sock.recv(4096))
            answers += data


def test_sighup_reads_the_repository_again(agent, manager, tmp_path, until):
    text = program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}")
    server = agent(text)
    assert manager.expect("execution_response", manager.execute("job", 98)).status == 200
    (tmp_path / "repo.ini").write_text(text + "[program more]\nexec = /bin/true\n")
    server.process.send_signal(signal.SIGHUP)
    asked = manager.expect("initiation_request")
    assert asked.items("service_repository") == ("job", "more")
    assert asked.extra("x_running") == "((job, 98))"


def test_another_agent_in_the_same_process_takes_up_what_runs(agent, manager, tmp_path, until):
    server = agent(program("job", SLEEP, ready="spawn", env=f"TEST={tmp_path}"))
    assert manager.expect("execution_response", manager.execute("job", 99)).status == 200
    (pid,) = until(lambda: processes(tmp_path))
    text = (server.directory / "server.ini").read_text()
    server.reload(text.replace("health-interval = 200 ms", "health-interval = 300 ms"))
    assert manager.accept(208).extra("x_running") == "((job, 99))"
    os.kill(pid, signal.SIGKILL)
    assert manager.expect("health_control_response").number("service_instance_id") == 99
    assert not Path(f"/proc/{pid}").exists(), "it is reaped"
