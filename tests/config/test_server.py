"""The options of `[ccserver]` and `[listen:NAME]`."""

import pytest

from ccproxy.config.ini import parse
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.options import options_of
from ccproxy.config.resolve import resolve
from ccproxy.config.server import ListenSection, ServerOptions

ORIGINAL = [
    "cc-socket",
    "cc-role",
    "cc-stats",
    "stats-period",
    "infofile",
    "infofile-level",
    "pidfile",
    "logfile",
    "log_size",
    "log_count",
    "logfmt_file",
    "logfmt_console",
    "logdatefmt_file",
    "logdatefmt_console",
    "logfmt_file_verbose",
    "logfmt_console_verbose",
    "logdatefmt_file_verbose",
    "logdatefmt_console_verbose",
    "use_skylog",
    "skylog_locations",
    "job_name",
    "zmq_nthreads",
    "zmq_hwm",
    "zmq_linger",
    "zmq_rcvbuf",
    "zmq_sndbuf",
    "zmq_tcp_keepalive",
    "zmq_tcp_keepalive_idle",
    "zmq_tcp_keepalive_intvl",
    "zmq_tcp_keepalive_cnt",
    "cms-keystore",
    "cms-sign",
    "cms-verify-ca",
    "cms-encrypt",
    "cms-decrypt",
    "cms-time-window",
    "loop_delay",
    "exception_sleep",
    "exception_quiet",
    "exception_grace",
    "exception_reset",
    "heartbeat",
]

ADDRESS = "cc-socket = tcp://127.0.0.1:22632"


def read(*lines):
    made, problems = parse("x.ini", "\n".join(["[ccserver]", ADDRESS, *lines]), {}, "host1")
    resolved = resolve(made.section("ccserver"), ServerOptions)
    return resolved.options, [str(problem) for problem in (*problems, *resolved.problems)]


def test_every_option_of_the_original_is_known():
    known = {
        name for option in options_of(ServerOptions) for name in (option.name, *option.aliases)
    }
    assert set(ORIGINAL) - known == set()


def test_defaults_are_those_of_the_original():
    options, problems = read()
    assert problems == []
    assert (options.cc_role, options.cc_stats, options.stats_period) == ("insecure", 1, 30.0)
    assert (options.infofile, options.infofile_level) == ("", 2)
    assert (options.log_size, options.log_count) == (10 << 20, 3)
    assert options.linger == 0.5


@pytest.mark.parametrize("option", [one for one in options_of(ServerOptions) if one.ignored],
                         ids=lambda option: option.name)  # fmt: skip
def test_options_without_effect_take_any_text_and_say_so_once(option):
    for text in ("", "1", "what ever"):
        options, [problem] = read(f"{option.name} = {text}")
        assert options is not None
        assert problem.startswith(
            f'x.ini:3: warning: "{option.name}" in [ccserver] has no effect; '
        )


@pytest.mark.parametrize(
    "name", ["cms-sign", "cms-verify-ca", "cms-encrypt", "cms-decrypt", "cms-time-window"]
)
def test_signing_is_refused_and_never_ignored(name):
    options, [problem] = read(f"{name} = 5")
    assert options is None
    assert "not supported yet" in problem
    assert read(f"{name} =")[1] == []


def test_heartbeat_is_the_option_the_original_lost_and_peer_heartbeat_is_ours():
    options, problems = read("heartbeat = 60", "peer-heartbeat = 5")
    assert len(problems) == 1
    assert options.heartbeat == 5.0


def test_log_formats_are_checked():
    options, problems = read("logfmt_file = %%(asctime)s %%(message)s")
    assert (problems, options.logfmt_file) == ([], "%(asctime)s %(message)s")
    for wrong in ("hello", "%%(nope)s", "%%(message)d", "%%(message)s %%"):
        assert "expected a logging format" in read(f"logfmt_file = {wrong}")[1][0]


def test_the_listener_is_a_part_of_the_server_that_compares_by_itself():
    one, _ = read("peer-queue = 1 MiB", "logfile = /tmp/a")
    two, _ = read("peer-queue = 1 MiB", "logfile = /tmp/b")
    assert one != two
    assert one.listener() == two.listener() == ZmtpListenerOptions(peer_queue=1 << 20)
    assert type(one.listener()) is ZmtpListenerOptions


@pytest.mark.parametrize("declared", [ServerOptions, ListenSection])
def test_every_option_has_help_a_name_of_its_own_and_a_default_that_can_be_read(declared):
    options = list(options_of(declared))
    names = [name for option in options for name in (option.name, *option.aliases)]
    assert len(names) == len(set(names))
    for option in options:
        assert len(option.help) > 10, option.name
        if not option.required and option.default is not None:
            assert option.kind.parse(option.kind.show(option.default)) == option.default
