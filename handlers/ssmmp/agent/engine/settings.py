"""The timers and limits of the agent, declared as options; the handler's Options inherit them.

Values only: the engine gets them when it is made and never reads a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import kinds, option

_TIME = kinds.duration("s")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Times in seconds."""

    initiation_timeout: float = option(_TIME, default=5.0, help="wait for the Manager's welcome")
    reconnect_first: float = option(_TIME, default=0.5, help="first wait before a new connection")
    reconnect_most: float = option(_TIME, default=30.0, help="longest wait, also after a refusal")
    answer_timeout: float = option(_TIME, default=8.0, help="wait for an instance's answer")
    stop_timeout: float = option(_TIME, default=9.0, help="wait for an instance to end gracefully")
    kill_timeout: float = option(_TIME, default=4.0, help="wait for a killed instance to be gone")
    health_interval: float = option(_TIME, default=5.0, help="time between health controls")
    health_timeout: float = option(_TIME, default=2.0, help="wait for an answer about health")
    pending: int = option(kinds.positive, default=10000, help="session requests under way")
    most: int = option(kinds.natural, default=0, help="instances on this node; 0: any number")
    token_required: bool = option(kinds.flag, default=False, help="instances must say hello")
