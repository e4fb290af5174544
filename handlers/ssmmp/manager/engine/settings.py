"""The timers and limits of the Manager, declared as options; the handler's Options inherit them."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import kinds, option

_TIME = kinds.duration("s")


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """Times in seconds."""

    start_timeout: float = option(_TIME, default=30.0, help="wait for an instance to be ready")
    session_wait: float = option(_TIME, default=35.0, help="how long a session request may wait")
    ack_timeout: float = option(_TIME, default=15.0, help="wait for the ack of an offered session")
    unconfirmed: float = option(
        _TIME, default=3600.0, help="a session never acknowledged is taken for closed after this"
    )
    agent_silence: float = option(
        _TIME, default=10.0, help="a watched agent silent for this long is suspect"
    )
    agent_lost: float = option(_TIME, default=30.0, help="a suspect agent is lost after this")
    agent_forget: float = option(_TIME, default=3600.0, help="a lost agent is forgotten after this")
    close_timeout: float = option(_TIME, default=10.0, help="wait for a close response")
    drain_timeout: float = option(_TIME, default=30.0, help="wait for a draining instance to empty")
    stop_timeout: float = option(_TIME, default=10.0, help="wait for a graceful shutdown")
    kill_timeout: float = option(_TIME, default=5.0, help="wait for a hard shutdown")
    health_interval: float = option(_TIME, default=5.0, help="time between probes of an agent")
    misses: int = option(kinds.positive, default=3, help="abnormal health reports until replaced")
    tombstone: float = option(_TIME, default=60.0, help="how long what ended is remembered")
    backoff_first: float = option(_TIME, default=1.0, help="wait before the first restart")
    backoff_most: float = option(_TIME, default=60.0, help="longest wait before a restart")
    good_running: float = option(_TIME, default=60.0, help="running this long forgives failures")
    restart_limit: int = option(
        kinds.positive, default=5, help="failures on a node until it is given up"
    )
    restart_window: float = option(_TIME, default=300.0, help="time in which failures are counted")
    close_parallel: int = option(
        kinds.positive, default=8, help="sessions of a drain closed at once"
    )
    update_parallel: int = option(
        kinds.positive, default=1, help="instances of an update moved at once"
    )
    update_watch: float = option(
        _TIME, default=10.0, help="a new instance failing within this turns an update back"
    )
    edition_1_1: tuple[str, ...] = option(
        kinds.names, default=(), help="addresses of agents that are spoken to in edition 1.1"
    )
    max_waiting: int = option(
        kinds.positive, default=10000, help="session requests waiting for one service"
    )
    retry_after_failure: float = option(
        _TIME,
        default=10.0,
        name="shun",
        help="an instance a client could not reach is not offered to it again for this long",
    )
