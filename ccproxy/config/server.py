"""The options of `[ccserver]`, and those that every `[listen:NAME]` has.

All options of the original server are known here. An option that has lost its effect is accepted
with one warning. Signing and encryption are refused, because to ignore them would drop a
protection that the user asked for. This module declares options; it must never act on one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ccproxy.config import kinds
from ccproxy.config.links import MIB, ZmtpListenerOptions
from ccproxy.config.monitor import HTTP_ADDRESS
from ccproxy.config.options import Kind, option, shared

ROLES = ("local", "remote", "insecure")

_SIGNING = kinds.unsupported("signing and encryption of messages are")


_EXAMPLE = logging.LogRecord("CCServer", logging.INFO, "", 1, "text", None, None, "function")


def _log_format(text: str) -> str:
    """Check a format by writing one log line with it: only this finds an unknown field name."""
    if text:
        try:
            logging.Formatter(text).format(_EXAMPLE)
        except (ValueError, TypeError, KeyError):
            expected = "a logging format such as %%(asctime)s %%(levelname)s %%(message)s"
            raise kinds.wrong(text, expected) from None
    return text


LOG_FORMAT = Kind("logging format", _log_format)


def _control(text: str) -> str:
    if text.startswith("~") or "\n" in text or "\0" in text:
        raise kinds.wrong(text, "a path without ~, which is the same for every user, or no")
    return "no" if text.lower() == "no" else text


CONTROL = Kind("path | no", _control)


def _format(name: str, default: str = "") -> str:
    help = f"logging format of the {name}, percent signs doubled; empty = ours"
    return option(LOG_FORMAT, default=default, name=f"logfmt_{name}", help=help)  # type: ignore[no-any-return]


def _date_format(name: str) -> str:
    help = f"time format of the {name} log, percent signs doubled; empty = ours"
    return option(kinds.text, default="", name=f"logdatefmt_{name}", help=help)  # type: ignore[no-any-return]


def _ignored(name: str, help: str) -> str:
    return option(kinds.text, default="", name=name, help=help, ignored=True)  # type: ignore[no-any-return]


def _refused(name: str) -> str:
    return option(_SIGNING, default="", name=name, help="not supported yet")  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class ServerOptions(ZmtpListenerOptions):
    """`[ccserver]`: the default listener, the role, statistics, files and plugins of a server."""

    cc_socket: str | None = option(
        kinds.listen_address, default=None,
        help="address for clients and links of CC; not needed where a [listen:NAME] section or a "
        "handler with addresses of its own takes messages",
    )  # fmt: skip
    cc_role: str = option(
        kinds.choice(*ROLES), default="insecure",
        help="guards against handlers in the wrong place; insecure allows all",
    )  # fmt: skip
    compat: str = option(
        kinds.choice("cc", "no"), default="no",
        help="cc: read this file as the CC server did, in which names are in lower case, a colon "
        "separates, and repeated or unknown names are no mistakes; no: routes have capitals "
        "on purpose",
    )  # fmt: skip
    cc_stats: int = option(
        kinds.between(0, 2), default=1, help="statistics: 0 none, 1 totals, 2 also per type"
    )
    stats_types: int = option(
        kinds.between(0, 5000), default=1000, reloadable=False,
        help="message types that have counters of their own with cc-stats = 2, the first ones for "
        "good; all others are counted as `other`",
    )  # fmt: skip
    stats_period: float = option(
        kinds.duration("s", least=0.1), default=30.0,
        help="time between two statistics lines and infofile writes",
    )  # fmt: skip
    infofile: str = option(
        kinds.written_file, default="", help="file the statistics are written to; empty = none"
    )
    infofile_level: int = option(
        kinds.between(0, 3), default=2,
        help="0 none, 1 head, 2 also totals and latest, 3 also averages",
    )  # fmt: skip
    pidfile: str = option(
        kinds.written_file, default="", reloadable=False,
        help="file with the process number; needed for -d, -s and -k",
    )  # fmt: skip
    control: str = option(
        CONTROL, default="", reloadable=False,
        help="file of the Unix socket for `status` and reloads, seen from this file; empty = "
        "a place that follows from the name of this file, no = none",
    )  # fmt: skip
    server_id: str = option(
        kinds.written_file, default="", reloadable=False,
        help="file with the id of this server, made at the first start: links with acknowledged "
        "delivery know by it that another server answers; empty = a new id at each start",
    )  # fmt: skip
    http: str = option(
        HTTP_ADDRESS, default="", reloadable=False,
        help="address for the page, /metrics, /healthz, /readyz and /status.json, such as "
        "127.0.0.1:9464; empty = none",
    )  # fmt: skip
    http_token: str = option(
        kinds.file, default="",
        help="file whose first line is the token that requests to `http` carry; needed where other "
        "machines reach it; with it, the page and /status.json show peers and types",
    )  # fmt: skip
    http_tls_certificate: str = option(
        kinds.file, default="", reloadable=False,
        help="file in PEM form with the certificate of `http`, and those that lead to its "
        "authority; needed where other machines reach it",
    )  # fmt: skip
    http_tls_key: str = option(
        kinds.file, default="", reloadable=False,
        help="file in PEM form with its private key, without password; without it, "
        "http-tls-certificate holds it as well",
    )  # fmt: skip
    logfile: str = option(
        kinds.written_file, default="", help="log file, rotated by size; empty = none"
    )
    log_size: int = option(
        kinds.size_between(1), default=10 * MIB, name="log_size",
        help="size at which the log file is rotated",
    )  # fmt: skip
    log_count: int = option(
        kinds.natural, default=3, name="log_count", help="rotated log files that are kept"
    )
    log_format: str = option(
        kinds.choice("text", "json"), default="text",
        help="json: each line of the log is an object of JSON, whatever logfmt_... say",
    )  # fmt: skip
    logfmt_file: str = _format("file")
    logfmt_file_verbose: str = _format("file_verbose")
    logfmt_console: str = _format("console")
    logfmt_console_verbose: str = _format("console_verbose")
    logdatefmt_file: str = _date_format("file")
    logdatefmt_file_verbose: str = _date_format("file_verbose")
    logdatefmt_console: str = _date_format("console")
    logdatefmt_console_verbose: str = _date_format("console_verbose")
    job_name: str = option(
        kinds.text, default="", name="job_name", reloadable=False,
        help="name in logs and files; default: the file's name without extension",
    )  # fmt: skip
    plugins: tuple[str, ...] = option(
        kinds.folders, default=(),
        help="folders, as seen from this file, whose NAME.py provide handlers, protocols and verbs",
    )  # fmt: skip
    start_timeout: float = option(
        kinds.duration("s", least=0.001), default=60.0,
        help="time each handler has to start; a reload with one that takes longer fails",
    )  # fmt: skip
    accept_timeout: float = option(
        kinds.duration("s", least=0.001), default=60.0,
        help="time a handler has to say what became of a message that it has accepted; then it "
        "counts as failed",
    )  # fmt: skip
    flows: int = option(
        kinds.positive, default=65_536, reloadable=False,
        help="most flows, one for each message type; the oldest is forgotten first",
    )  # fmt: skip

    memory: int = option(
        kinds.size, default=0,
        help="bytes that all queues and unfinished messages may hold together; 0 = a quarter of "
        "the memory of the machine, or of its cgroup",
    )  # fmt: skip
    hop_marks: bool = option(
        kinds.flag, default=False, reloadable=False,
        help="links to other servers mark what they send, and what comes back is dropped as "
        "`looped`: for sites that forward to each other in a circle",
    )  # fmt: skip
    busy_poll: float = option(
        kinds.duration("us", most=0.001), default=0.0,
        help="time to look for answers without sleeping after each write: lower latency with few "
        "clients, paid with processor time; about 50 us on a machine with idle cores",
    )  # fmt: skip

    heartbeat_log: str = _ignored("heartbeat", "for pings to peers write peer-heartbeat")
    zmq_nthreads: str = _ignored("zmq_nthreads", "it set threads of libzmq, which is not used")
    loop_delay: str = _ignored("loop_delay", "it belonged to the original's script library")
    exception_sleep: str = _ignored(
        "exception_sleep", "it belonged to the original's script library"
    )
    exception_quiet: str = _ignored(
        "exception_quiet", "it belonged to the original's script library"
    )
    exception_grace: str = _ignored(
        "exception_grace", "it belonged to the original's script library"
    )
    exception_reset: str = _ignored(
        "exception_reset", "it belonged to the original's script library"
    )
    use_skylog: str = _ignored("use_skylog", "use logfile, logfmt_file and logfmt_console")
    skylog_locations: str = _ignored("skylog_locations", "use logfile and logfmt_file")
    cms_keystore: str = _ignored("cms-keystore", "signing is not supported yet")

    cms_sign: str = _refused("cms-sign")
    cms_verify_ca: str = _refused("cms-verify-ca")
    cms_encrypt: str = _refused("cms-encrypt")
    cms_decrypt: str = _refused("cms-decrypt")
    cms_time_window: str = option(
        kinds.unsupported("a time window for messages is", ("", "0")), default="0",
        name="cms-time-window", help="not supported yet",
    )  # fmt: skip

    def listener(self) -> ZmtpListenerOptions:
        """The options of the listener `cc-socket`, without those of the server, so that two
        listeners compare by them."""
        return ZmtpListenerOptions(**shared(self, ZmtpListenerOptions))


@dataclass(frozen=True, slots=True)
class ListenSection:
    """The options of every `[listen:NAME]` section; all others are those of its protocol."""

    protocol: str = option(kinds.text, help="the word of the protocol spoken there, such as cc")
    address: str | None = option(
        kinds.any_listen_address, default=None,
        help="address to listen on; socket://HOST:PORT and localsocket:/PATH are taken as well",
    )  # fmt: skip
