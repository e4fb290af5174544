"""The verb run without a server: its options, what it prints, how it reads the file again."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from ccproxy.commands import common, run
from ccproxy.process import logs
from ccproxy.process.log_format import Formats
from ccproxy.process.pidfile import PidFile

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    pidfile = x.pid
    logfile = x.log
    [routes]
    echo = h:echo
    [h:echo]
    handler = echo
"""


@pytest.fixture
def serve(monkeypatch):
    """A server that ends at once; what it was called with."""
    calls = []

    async def fake(plan, owner, plugins):
        calls.append((plan, Path("x.pid").read_text(), owner, asyncio.get_running_loop()))
        owner.ready()
        await asyncio.sleep(0)
        logging.getLogger("CCServer").info("served")
        return fake.status

    fake.status = 0
    fake.calls = calls
    monkeypatch.setattr("ccproxy.server.server.serve", fake)
    return fake


def test_pid_file_and_log_exist_while_it_runs(ini, call, serve):
    status, out, err = call(ini(INI))
    assert (status, out) == (0, "")
    [(plan, pid, _, loop)] = serve.calls
    assert plan.job_name == "x"
    assert pid == str(os.getpid())
    assert not Path("x.pid").exists()
    assert "served" in err and "served" in Path("x.log").read_text()
    assert loop.is_closed()


def test_run_is_the_verb_that_is_meant(ini, call, serve):
    assert call("run", ini(INI))[0] == call("-q", "x.ini")[0] == call("run", "-v", "x.ini")[0] == 0
    assert len(serve.calls) == 3


def test_the_status_of_the_server_is_ours(ini, call, serve):
    serve.status = 1
    assert call(ini(INI))[0] == 1


def test_uvloop_is_used_where_it_is_installed(ini, call, serve, monkeypatch):
    call(ini(INI))
    monkeypatch.setitem(sys.modules, "uvloop", None)
    call("x.ini")
    first, second = [type(loop).__module__ for *_, loop in serve.calls]
    assert first.startswith("uvloop") or run.uvloop() is None
    assert second.startswith("asyncio")
    assert run.about().endswith("no uvloop")


def test_options_of_the_command_line(ini, call, serve):
    assert call("--set", "job_name=over", "--set", "logfile = y.log", ini(INI))[0] == 0
    assert serve.calls[0][0].job_name == "over"
    assert Path("y.log").exists() and not Path("x.log").exists()


@pytest.mark.parametrize("text", ["x", "=x", " = x"])
def test_options_that_are_none(text, call):
    status, _, err = call("--set", text, "x.ini")
    assert status == 2
    assert "expected NAME=VALUE" in err


def test_mistakes_start_nothing(ini, call, serve):
    status, out, err = call(ini(INI.replace("echo = h:echo", "echo = h:gone")))
    assert (status, out) == (78, "")
    assert "x.ini:7: " in err
    assert serve.calls == [] and not Path("x.log").exists()


def test_warnings_go_to_the_log(ini, call, serve):
    assert call(ini(INI.replace("cc-role = remote", "zmq_nthreads = 1")))[0] == 0
    text = Path("x.log").read_text()
    assert text.count("WARNING CCServer: x.ini:") == 2


def test_a_pid_file_of_a_live_process(ini, call, serve):
    ini(INI)
    other = PidFile(Path("x.pid"))
    other.take()
    status, _, err = call("x.ini")
    assert status == 1
    assert "is alive" in err
    assert serve.calls == [] and Path("x.pid").exists()
    other.drop()


def test_a_process_that_is_stopped_is_waited_for(ini, call, monkeypatch):
    ini(INI)
    other = PidFile(Path("x.pid"))
    other.take()
    sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(run, "STOP_TIMEOUT", 0.01)
    status, _, err = call("-s", "x.ini")
    assert (status, "was told to stop, but still runs" in err) == (1, True)
    monkeypatch.setattr(os, "kill", lambda pid, number: other.drop())
    assert call("-k", "x.ini") == (0, "", "")
    assert sent == [signal.SIGINT]


def test_a_stale_pid_file(ini, call, serve):
    Path(ini(INI)).with_name("x.pid").write_text("4194305")
    status, _, err = call("x.ini")
    assert status == 0
    assert "ignoring stale pid file x.pid" in err


def test_reload_reads_the_file_again(ini, call, serve, monkeypatch):
    notes = []
    monkeypatch.setattr("ccproxy.commands.run.notify", notes.append)
    call(ini(INI))
    plan, _, owner, _ = serve.calls[0]
    again, problems = owner.reload()
    assert again == plan and problems == []
    assert again.handlers[0].factory is plan.handlers[0].factory
    assert notes == ["READY=1", "RELOADING=1"]
    owner.reloaded(True)
    ini(INI.replace("5000", "5001"))
    assert owner.reload()[0].listeners[0].address == "tcp://127.0.0.1:5001"
    owner.reloaded(True)
    ini(INI.replace("5000", "none"))
    assert owner.reload()[0] is None
    owner.reloaded(False)
    assert notes == ["READY=1", *["RELOADING=1", "READY=1"] * 3]
    logs.tear_down()


def test_the_log_changes_with_the_plan_only(ini, call, serve):
    call(ini(INI))
    owner = serve.calls[0][2]
    ini(INI.replace("x.log", "y.log"))
    for adopted, text in ((False, ""), (True, "here")):
        owner.reload()
        owner.reloaded(adopted)
        common.LOG.warning("here")
        logs.tear_down()
        assert text in Path("y.log").read_text()
        assert bool(text) == bool(Path("y.log").read_text())


def test_a_log_file_that_cannot_be_opened_keeps_the_old_one(ini, call, serve):
    call(ini(INI))
    owner = serve.calls[0][2]
    ini(INI.replace("x.log", "/nonexistent/x.log"))
    plan, problems = owner.reload()
    owner.reloaded(False)
    assert plan is None
    assert "cannot open log file /nonexistent/x.log" in str(problems[0])


def test_a_log_file_that_cannot_be_opened_starts_nothing(ini, call, serve):
    status, _, err = call("--set", "logfile=/nonexistent/x.log", ini(INI))
    assert status == 1
    assert err == (
        "ccserver: cannot open log file /nonexistent/x.log: there is no folder /nonexistent\n"
    )


def test_formats_of_the_configuration(ini):
    text = INI + "    [x]\n"
    text = text.replace(
        "[routes]", "logfmt_file = %%(message)s\n    log_size = 1 KiB\n    [routes]"
    )
    text = text.replace("[x]\n", "").replace(
        "log_size", "logdatefmt_console_verbose = %%H\nlog_size"
    )
    plan, problems = common.load(Path(ini(text.replace("\nlog_size", "\n    log_size"))))
    assert plan is not None, problems
    usual = run.log_plan(plan, logging.INFO)
    assert (usual.file, usual.size, usual.count) == (Path("x.log"), 1024, 3)
    assert usual.filed == Formats("%(message)s", "")
    assert usual.console == Formats("", "")
    assert run.log_plan(plan, logging.DEBUG).console == Formats("", "%H")


@pytest.mark.parametrize(("flag", "number"), [("-s", 2), ("-k", 15), ("-r", 1)])
def test_signals(flag, number):
    parser = argparse.ArgumentParser()
    run.RunVerb().arguments(parser)
    assert parser.parse_args([flag, "x.ini"]).signal == number


@pytest.mark.parametrize("flag", ["-s", "-k", "-r"])
def test_a_replacement_is_no_signal(ini, call, flag):
    status, _, err = call("--replace", flag, ini(INI))
    assert (status, "--replace starts a server" in err) == (2, True)


def test_nothing_to_signal(ini, call):
    file = ini(INI)
    assert call("-s", file) == (0, "", "ccserver: no pid file x.pid, the server is not running\n")
    Path("x.pid").write_text("nonsense")
    status, _, err = call("-s", file)
    assert (status, "corrupt pid file x.pid" in err) == (1, True)
    file = ini(INI.replace("pidfile = x.pid\n", "\n"))
    assert call("-s", file) == (0, "", "ccserver: no pidfile in config, nothing to do\n")
    assert call("-s", "missing.ini")[0] == 78


def test_a_signal_before_the_server_obeys_it_is_not_lost(ini, call, monkeypatch):
    obeyed = []

    async def serve(plan, owner, plugins):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        stopping = asyncio.Event()
        calls = {signal.SIGHUP: lambda: obeyed.append("hup"), signal.SIGTERM: stopping.set}
        with owner.signals.obeyed(calls):
            owner.ready()
            await stopping.wait()
            await asyncio.sleep(0)
        return 0

    monkeypatch.setattr("ccproxy.server.server.serve", serve)
    assert call(ini(INI))[0] == 0
    assert obeyed == ["hup"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_exits_does_not_end_the_loop(caplog, error):
    async def main():
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)
        return 7

    def fail():
        raise error

    assert run.run_loop(main()) == 7
    [record] = caplog.records
    assert record.getMessage() == f"a plugin raised {error!r} in a callback"
    assert record.exc_info is not None


def test_the_end_of_the_server_itself_is_passed_on():
    async def main():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run.run_loop(main())
