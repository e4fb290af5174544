"""One engine of an agent, already registered, without anything that it acts on."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    AgentSettings,
    Engine,
    Identity,
    Record,
    ToInstance,
    ToManager,
)  # fmt: skip

PROGRAMS = """
[program orders]
exec = orders --port {port:orders_api} --id {id}
sockets = orders_api
plugs = store_client
env = WHO={name}
[program legacy]
exec = legacy
sockets = web
ready = port
stop_signal = INT
kill_grace = 2
[program job]
exec = job
ready = spawn
most = 1
"""


class Harness:
    """Messages are made in short and looked at by type; `journal` and `all` keep what was done."""

    def __init__(self, programs, settings=None, token=lambda: "secret"):
        self.programs = programs
        self.settings = settings or AgentSettings()
        self.agent = Engine(
            Identity("fd00::1", "one", "127.0.0.1:5"), programs, self.settings, token
        )
        self.now = 100.0
        self.journal = []
        self.all = []
        self.do("start")
        (self.hello,) = self.messages(self.do("linked"))
        self.welcome()

    def do(self, event, *args):
        actions = getattr(self.agent, event)(self.now, *args)
        self.journal += [one for one in actions if isinstance(one, Record)]
        self.all += actions
        return list(actions)

    def messages(self, actions):
        return [one.message for one in actions if isinstance(one, (ToManager, ToInstance))]

    def short(self, actions):
        return [(one.type, one.status) for one in self.messages(actions)]

    def welcome(self, status=200, extras=()):
        made = ssmmp.MANAGER_TO_AGENT.make("initiation_response", 1, extras, status=status)
        return self.do("from_manager", made)

    def told(self, type, id, **fields):
        return self.do("from_manager", ssmmp.MANAGER_TO_AGENT.make(type, id, **fields))

    def said(self, conn, type, id, extras=(), **fields):
        return self.do(
            "from_instance", conn, ssmmp.INSTANCE_TO_AGENT.make(type, id, extras, **fields)
        )

    def execute(
        self, program="orders", key=2, id=30001, sockets=None, plugs=None, address="fd00::1"
    ):
        names = self.programs.programs.get(program)
        sockets = sockets or [(one, 54000 + key) for one in (names.sockets if names else ())]
        plugs = (
            plugs if plugs is not None else [(p, "store") for p in (names.plugs if names else ())]
        )
        return self.told(
            "execution_request", id, agent_network_address=address, service_name=program,
            service_instance_id=key,
            socket_configuration=tuple(ssmmp.SocketEntry(*s) for s in sockets),
            plug_configuration=tuple(ssmmp.PlugEntry(*p) for p in plugs),
        )  # fmt: skip

    def attach(self, key=2, program="orders", token="secret", conn=None):
        return self.said(
            conn or f"c{key}", "instance_hello_request", 1, (("x_token", token),),
            service_name=program, service_instance_id=key,
        )  # fmt: skip

    def up(self, key=2):
        self.execute(key=key)
        self.do("spawned", key, 100 + key)
        return self.attach(key)

    def ask(self, key=2, id=9):
        return self.said(
            f"c{key}", "session_request", id, source_service_name="orders",
            source_service_instance_id=key, source_plug_name="store_client",
            dest_service_name="store", dest_socket_name="sql",
        )  # fmt: skip

    def offer(self, id=9, status=200):
        return self.told("session_response", id, status=status, dest_socket_port=54009,
                         dest_service_instance_network_address="fd00::2")  # fmt: skip

    def ack(self, key=2, id=9, port=40000):
        return self.said(f"c{key}", "session_ack", id, status=200, source_plug_port=port,
                         dest_socket_new_port=54009)  # fmt: skip

    def wait(self, seconds):
        end, actions = self.now + seconds, []
        while self.agent.next_deadline() <= end:
            self.now = max(self.now, self.agent.next_deadline())
            actions += self.do("tick")
        self.now = end
        return actions


@pytest.fixture
def harness(parse_repository):
    return Harness(parse_repository(PROGRAMS))


@pytest.fixture
def make_harness(parse_repository):
    """Another one, with settings of its own."""
    return lambda **settings: Harness(parse_repository(PROGRAMS), AgentSettings(**settings))
