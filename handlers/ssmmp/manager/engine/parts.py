"""The parts of one Manager, built on each other.

They are in layers, the lowest first; each knows only the parts below it:

    state          rows, indexes, graph, settings, the time, the actions of a call
    alarms         what an operator has to look at, as long as it is so
    placement      where an instance runs
    legacy_peers   what agents of the published implementation need
    sessions       the session machine
    closing        which sessions a drain closes, and in which order
    instances      the instance machine
    offers         which instance a session request gets
    services       how many instances a service has
    health         what agents report of instances, and probes of agents
    reconcile      what an agent that is back says it runs
    agents         the agent machine
    feasibility    whether there is room for what a plan wants
    plans          what a command of the operator would do
    graph_reload   what another graph changes
    steps          what the steps of a plan do
    operations     plans that are carried out
    restart        what follows from a restart of the Manager
    messages       which part gets a message
    engine         which part gets a call, a deadline, or an event

A part calls the parts below it. What is to follow in a part above it, it leaves as an event; the
table of events in `engine.py` says what follows from what. This module must never decide anything.
"""

from __future__ import annotations

from collections.abc import Callable

from ...graph import Graph
from .agents import AgentMachine
from .alarms import Alarms
from .closing import Closing
from .feasibility import Feasibility
from .graph_reload import GraphReload
from .health import Health
from .instances import InstanceMachine
from .legacy_peers import LegacyPeers
from .offers import Offers
from .operations import Operations
from .placement import Placement
from .plans import Planner
from .reconcile import Reconciler
from .restart import Restart
from .services import Services
from .sessions import SessionMachine
from .settings import ManagerSettings
from .state import State
from .steps import Steps


def half() -> float:
    """The number in the middle, for a Manager that is to be predictable."""
    return 0.5


class ManagerParts:
    """`random` gives numbers from 0 to below 1, for the policy random-two."""

    def __init__(
        self,
        graph: Graph,
        settings: ManagerSettings | None = None,
        random: Callable[[], float] = half,
    ) -> None:
        state = self.state = State(graph, settings or ManagerSettings(), random)
        self.alarms = Alarms(state)
        self.placement = Placement(state)
        self.legacy_peers = LegacyPeers(state)
        self.sessions = SessionMachine(state, self.legacy_peers)
        self.closing = Closing(state, self.sessions)
        self.instances = InstanceMachine(state, self.closing, self.legacy_peers)
        self.offers = Offers(state, self.placement, self.sessions, self.instances)
        self.services = Services(state, self.alarms, self.placement, self.instances, self.offers)
        self.health = Health(state, self.instances, self.offers)
        self.reconciler = Reconciler(state, self.sessions, self.instances)
        self.agents = AgentMachine(
            state, self.instances, self.services, self.health, self.reconciler
        )
        self.feasibility = Feasibility(state, self.placement)
        self.planner = Planner(state, self.feasibility)
        self.graph_reload = GraphReload(state, self.instances, self.services, self.planner)
        self.steps = Steps(state, self.closing, self.instances, self.services, self.agents)
        self.operations = Operations(state, self.steps)
        self.restart = Restart(state, self.services, self.agents, self.operations)
