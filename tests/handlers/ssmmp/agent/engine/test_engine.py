import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    AgentSettings,
    Connect,
    Count,
    Disconnect,
    Engine,
    Identity,
    Kill,
    Record,
    Spawn,
    ToInstance,
    ToManager,
    WatchPorts,
)  # fmt: skip
from ccproxy_handlers.ssmmp.agent.engine.rows import JOURNAL

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


class Stand:
    """One agent, already registered; messages are made in short and looked at by type."""

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
def stand(parse_repository):
    return Stand(parse_repository(PROGRAMS))


def test_registration(stand):
    assert stand.hello.fields == {
        "agent_network_address": "fd00::1", "service_repository": ("orders", "legacy", "job")
    }  # fmt: skip
    assert dict(stand.hello.extras) == {
        "x_ssmmp": "1", "x_node": "one", "x_running": "()", "x_sessions": "()"
    }  # fmt: skip


def test_start_of_a_program(stand):
    (spawn,) = [one for one in stand.execute() if isinstance(one, Spawn)]
    assert spawn.command == ("orders", "--port", "54002", "--id", "2")
    assert dict(spawn.env) == {
        "WHO": "orders", "SSMMP_AGENT": "127.0.0.1:5", "SSMMP_SERVICE_NAME": "orders",
        "SSMMP_INSTANCE_ID": "2", "SSMMP_ADDRESS": "fd00::1", "SSMMP_TOKEN": "secret",
        "SSMMP_SOCKETS": "((orders_api, 54002))", "SSMMP_PLUGS": "((store_client, store))",
    }  # fmt: skip
    assert stand.short(stand.do("spawned", 2, 77)) == []
    assert stand.short(stand.attach()) == [
        ("instance_hello_response", 200), ("execution_response", 200)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"address": "fd00::9"}, 412), ({"program": "nothing"}, 404),
        ({"sockets": [("other", 54009)]}, 422), ({"plugs": []}, 422),
        ({"plugs": [("store_client", "a"), ("more", "b")]}, 422), ({"key": 1}, 409),
        ({"sockets": [("orders_api", 54001)]}, 423),
    ],
)  # fmt: skip
def test_refusals_of_a_start(stand, change, status):
    stand.up(1)
    assert stand.short(stand.execute(**{"id": 5, **change})) == [("execution_response", status)]


def test_a_repeated_start_is_quiet(stand):
    stand.execute()
    assert stand.short(stand.execute()) == []


def test_full(stand, parse_repository):
    stand.execute("job", 1)
    assert stand.short(stand.execute("job", 2)) == [("execution_response", 429)]
    stand.settings = AgentSettings(most=1)
    crowded = Stand(stand.programs, AgentSettings(most=1))
    crowded.up(1)
    assert crowded.short(crowded.execute(key=2)) == [("execution_response", 429)]


def test_readiness_by_port_and_by_spawn(stand):
    stand.execute("legacy", 3)
    actions = stand.do("spawned", 3, 77)
    assert [one for one in actions if isinstance(one, WatchPorts)] == [WatchPorts(3, (54003,))]
    assert stand.short(stand.do("ready", 3)) == [("execution_response", 200)]
    stand.execute("job", 4)
    assert stand.short(stand.do("spawned", 4, 78)) == [("execution_response", 200)]


def test_it_dies_at_start_or_cannot_be_started(stand):
    stand.execute()
    stand.do("spawned", 2, 77)
    assert stand.short(stand.do("exited", 2, 1)) == [("execution_response", 502)]
    stand.execute(key=3)
    assert stand.short(stand.do("unspawned", 3, "no such file")) == [("execution_response", 500)]
    assert not stand.agent.state.rows


def test_it_never_attaches(stand):
    stand.execute()
    stand.do("spawned", 2, 77)
    actions = stand.wait(26)
    assert ("execution_response", 504) in stand.short(actions)
    assert Kill(2, 77, "KILL") in actions


def test_it_dies_later(stand):
    stand.up()
    (message,) = stand.messages(stand.do("exited", 2, 0))
    assert (message.type, message.status) == ("health_control_response", 502)
    assert message.number("service_instance_id") == 2
    assert ssmmp.parse(ssmmp.format(message), ssmmp.Actor.MANAGER) == message


def test_it_ends_on_purpose(stand):
    stand.up()
    actions = stand.said(
        "c2", "service_instance_termination_info", 5, service_name="orders",
        service_instance_id=2, service_instance_network_address="fd00::1",
    )  # fmt: skip
    assert [one.type for one in stand.messages(actions)] == ["service_instance_termination_info"]
    assert stand.messages(stand.do("exited", 2, 0)) == []


def test_graceful_shutdown_is_answered_when_the_process_has_ended(stand):
    stand.up()
    passed = stand.told(
        "graceful_shutdown_request", 7, service_name="orders", service_instance_id=2
    )
    assert [one.type for one in stand.messages(passed)] == ["graceful_shutdown_request"]
    assert stand.messages(stand.said("c2", "graceful_shutdown_response", 7, status=200)) == []
    assert stand.short(stand.do("exited", 2, 0)) == [("graceful_shutdown_response", 200)]


def test_graceful_shutdown_declined_ignored_unknown(stand):
    stand.up()
    stand.told("graceful_shutdown_request", 7, service_name="x", service_instance_id=2)
    actions = stand.said("c2", "graceful_shutdown_response", 7, status=409)
    assert stand.short(actions) == [("graceful_shutdown_response", 409)]
    stand.told("graceful_shutdown_request", 8, service_name="orders", service_instance_id=2)
    actions = stand.wait(9.5)
    assert ("graceful_shutdown_response", 504) in stand.short(actions)
    actions = stand.told("graceful_shutdown_request", 9, service_name="x", service_instance_id=99)
    assert stand.short(actions) == [("graceful_shutdown_response", 404)]


def test_graceful_shutdown_without_a_control_connection(stand):
    stand.up()
    stand.do("detached", "c2")
    actions = stand.told(
        "graceful_shutdown_request", 7, service_name="orders", service_instance_id=2
    )
    assert stand.short(actions) == [("graceful_shutdown_response", 502)]
    stand.execute("legacy", 3)
    stand.do("spawned", 3, 77)
    stand.do("ready", 3)
    actions = stand.told("graceful_shutdown_request", 8, service_name="x", service_instance_id=3)
    assert Kill(3, 77, "INT") in actions
    assert stand.short(stand.do("exited", 3, 0)) == [("graceful_shutdown_response", 200)]


def test_hard_shutdown(stand):
    stand.up()
    actions = stand.told("hard_shutdown_request", 7, service_name="orders", service_instance_id=2)
    assert Kill(2, 102, "KILL") in actions and stand.messages(actions) == []
    assert stand.short(stand.do("exited", 2, -9)) == [("hard_shutdown_response", 200)]
    actions = stand.told("hard_shutdown_request", 8, service_name="orders", service_instance_id=2)
    assert stand.short(actions) == [("hard_shutdown_response", 404)]


def test_kill_grace_and_one_that_cannot_be_killed(stand):
    stand.execute("legacy", 3)
    stand.do("spawned", 3, 77)
    actions = stand.told("hard_shutdown_request", 7, service_name="legacy", service_instance_id=3)
    assert Kill(3, 77, "INT") in actions
    assert Kill(3, 77, "KILL") in stand.wait(2.1)
    assert ("hard_shutdown_response", 504) in stand.short(stand.wait(10))


def test_a_kill_before_the_process_is_there(stand):
    stand.execute()
    stand.told("hard_shutdown_request", 7, service_name="orders", service_instance_id=2)
    assert Kill(2, 77, "KILL") in stand.do("spawned", 2, 77)


def test_a_session_goes_both_ways(stand):
    stand.up()
    (request,) = stand.messages(stand.ask())
    assert request.sub_type == "agent_to_Manager"
    assert request.text("agent_network_address") == "fd00::1"
    (response,) = stand.messages(stand.offer())
    assert response.sub_type == "agent_to_service"
    (ack,) = stand.messages(stand.ack())
    assert ack.sub_type == "agent_to_Manager"
    assert [one.port for one in stand.agent.state.sessions.values()] == [40000]


def test_an_instance_speaks_for_itself_only(stand):
    stand.up(2)
    stand.up(3)
    actions = stand.said("c3", "session_request", 9, source_service_name="orders",
                         source_service_instance_id=2, source_plug_name="store_client",
                         dest_service_name="store", dest_socket_name="sql")  # fmt: skip
    assert stand.short(actions) == [("session_response", 403)]
    assert Count("foreign.session_request") in actions


def test_equal_ids_of_two_instances(stand):
    stand.up(2)
    stand.up(3)
    stand.ask(2)
    assert stand.short(stand.ask(3)) == [("session_response", 409)]
    assert stand.short(stand.ack(3)) == []


@pytest.mark.parametrize(
    ("change", "status"),
    [({"token": "guess"}, 403), ({"program": "job"}, 404), ({"key": 9}, 404), ({"conn": "x"}, 409)],
)
def test_false_hellos(stand, change, status):
    stand.up()
    actions = stand.attach(**{"conn": "y", **change})
    assert stand.short(actions) == [("instance_hello_response", status)]


def test_without_hello_the_first_message_tells_who_it_is(stand):
    stand.execute()
    stand.do("spawned", 2, 77)
    assert ("execution_response", 200) in stand.short(stand.ask())
    strict = Stand(stand.programs, AgentSettings(token_required=True))
    strict.execute()
    strict.do("spawned", 2, 77)
    assert strict.short(strict.ask()) == [("session_response", 403)]


def close_request(stand, side="source", id=7):
    fields = {"source_service_name": "orders", "source_service_instance_id": 2} if (
        side == "source") else {"dest_service_instance_id": 2}  # fmt: skip
    return stand.told(
        f"{side}_service_session_close_request", id, source_plug_port=40000,
        source_service_instance_network_address="fd00::1", source_plug_name="store_client",
        dest_service_name="store", dest_service_instance_network_address="fd00::2",
        dest_socket_name="sql", dest_socket_port=54009, dest_socket_new_port=54009, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("side", ["source", "dest"])
def test_close_requests(stand, side):
    answer = f"{side}_service_session_close_response"
    assert stand.short(close_request(stand, side)) == [(answer, 404)]
    stand.up()
    stand.ask()
    stand.offer()
    stand.ack()
    (passed,) = stand.messages(close_request(stand, side))
    assert passed.sub_type == f"agent_to_{side}_service"
    (back,) = stand.messages(stand.said("c2", answer, 7, status=200))
    assert (back.sub_type, back.status) == ("agent_to_Manager", 200)
    assert bool(stand.agent.state.sessions) == (side == "dest")
    close_request(stand, side, 8)
    assert (answer, 504) in stand.short(stand.wait(8.1))
    stand.do("detached", "c2")
    assert stand.short(close_request(stand, side, 9)) == [(answer, 502)]


def test_pending_requests_to_one_that_dies_are_answered(stand):
    stand.up()
    close_request(stand)
    found = stand.short(stand.do("exited", 2, 1))
    assert ("source_service_session_close_response", 404) in found


def test_health(stand):
    stand.up()
    health = []
    for wait, status in ((0, 200), (5, 429), (5, 429), (5, 200), (5, 200)):
        (question,) = [m for m in stand.messages(stand.wait(wait)) if m.type.endswith("_request")]
        actions = stand.said("c2", "health_control_response", question.id, service_name="orders",
                             service_instance_id=2, status=status)  # fmt: skip
        health.append([one.status for one in stand.messages(actions)])
    assert health == [[], [429], [429], [200], []]
    assert ("health_control_response", 504) in stand.short(stand.wait(7.5))
    assert stand.short(stand.said("c2", "health_control_response", 1, service_name="orders",
                                  service_instance_id=2, status=500)) == []  # fmt: skip


def test_health_on_request_and_of_the_agent(stand):
    stand.up()
    stand.told("service_instance_health_request", 7, service_instance_id=2,
               service_instance_network_address="fd00::1")  # fmt: skip
    actions = stand.said(
        "c2", "service_instance_health_response", 7, service_instance_id=2, status=215
    )
    assert stand.short(actions) == [("service_instance_health_response", 215)]
    actions = stand.told("agent_health_control_request", 8, agent_network_address="fd00::1")
    assert stand.short(actions) == [("agent_health_control_response", 200)]


def test_the_manager_is_gone_for_a_minute(stand):
    stand.up()
    stand.ask(id=9)
    actions = stand.do("unlinked")
    assert ("session_response", 503) in stand.short(actions)
    assert [one.delay for one in actions if isinstance(one, Connect)] == [0.5]
    assert stand.short(stand.ask(id=10)) == [("session_response", 503)]
    waits = [
        one.delay for _ in range(8) for one in stand.do("unlinked") if isinstance(one, Connect)
    ]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert 2 in stand.agent.state.rows
    (hello,) = stand.messages(stand.do("linked"))
    assert hello.extra("x_running") == "((orders, 2, 54002))"
    stand.welcome(208)
    assert stand.short(stand.ask(id=11)) == [("session_request", 0)]


@pytest.mark.parametrize(
    ("status", "state", "delays"),
    [(200, "REGISTERED", []), (208, "REGISTERED", []), (422, "CONNECTED", []),
     (401, "DISCONNECTED", [30]), (409, "DISCONNECTED", [30]), (503, "DISCONNECTED", [0.5]),
     (307, "DISCONNECTED", [0.0])],
)  # fmt: skip
def test_welcomes(stand, status, state, delays):
    stand.do("unlinked")
    stand.agent.link.wait = 0.5
    stand.do("linked")
    actions = stand.welcome(status, (("x_manager", "[::2]:5"),))
    assert stand.agent.state.link.state == state
    connects = [one for one in actions if isinstance(one, Connect)]
    assert [one.delay for one in connects] == delays
    assert [one.address for one in connects if status == 307] == ["[::2]:5"] * (status == 307)
    assert any(isinstance(one, Disconnect) for one in actions) == (state == "DISCONNECTED")


def test_205_kills_everything(stand):
    stand.up()
    stand.do("unlinked")
    stand.do("linked")
    assert Kill(2, 102, "KILL") in stand.welcome(205)


def test_no_welcome_in_time(stand):
    stand.do("unlinked")
    stand.do("linked")
    assert [one.delay for one in stand.wait(5.1) if isinstance(one, Connect)] == [1.0]


def test_a_restarted_agent_takes_its_processes_up(stand):
    stand.up(2)
    stand.up(3)
    stand.ask()
    stand.offer()
    stand.ack()
    records = [JOURNAL.from_text(*JOURNAL.to_text(one)) for one in stand.journal]
    assert records == stand.journal
    stand.agent = Engine.restore(records, Identity("fd00::1"), stand.programs)
    actions = stand.do("resume", [2])
    assert not [one for one in actions if isinstance(one, Kill)]
    (hello,) = stand.messages(stand.do("linked"))
    assert hello.extra("x_running") == "((orders, 2, 54002))"
    assert hello.extra("x_sessions") == "((2, store_client, 40000, fd00::2, 54009, 54009))"
    stand.welcome(208)
    assert stand.short(stand.attach()) == [("instance_hello_response", 200)]


def test_a_new_repository_is_told_at_once(stand, parse_repository):
    (hello,) = stand.messages(stand.do("reload", parse_repository("[program job]\nexec = job")))
    assert hello.items("service_repository") == ("job",)
    assert stand.welcome(208) is not None and stand.agent.state.link.state == "REGISTERED"


def test_strangers_and_the_unexpected(stand):
    assert stand.short(stand.ask()) == [("session_response", 403)]
    stand.up()
    for actions in (stand.offer(77), stand.said("c2", "graceful_shutdown_response", 5, status=200),
                    stand.said("c2", "service_instance_health_response", 5, service_instance_id=2,
                               status=200)):  # fmt: skip
        assert stand.messages(actions) == []
        assert any(isinstance(one, Count) for one in actions)


def test_nothing_is_done_before_the_welcome(stand):
    stand.do("unlinked")
    stand.do("linked")
    assert stand.execute() == [Count("early.execution_request")]
