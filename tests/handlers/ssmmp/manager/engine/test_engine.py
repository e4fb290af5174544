from dataclasses import replace

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.manager import ClosePeer, Manager, ManagerSettings, Tell

WISH = "orders_client orders orders_api"


def malformed(talk, text):
    try:
        ssmmp.parse(text, ssmmp.Actor.MANAGER)
    except ssmmp.Malformed as error:
        return talk.manager.malformed(talk.now, "x", error)
    raise AssertionError("not malformed")


def test_a_malformed_request_is_answered(talk):
    actions = malformed(talk, "type: initiation_request\nmessage_id: 5\n")
    (answer,) = [one.message for one in actions if isinstance(one, Tell)]
    assert (answer.type, answer.id, answer.status) == ("initiation_response", 5, 400)


def test_after_ten_hopeless_texts_the_connection_is_closed(talk):
    found = [malformed(talk, "hello\n") for _ in range(10)]
    closes = [[one for one in actions if isinstance(one, ClosePeer)] for actions in found]
    assert [len(one) for one in closes] == [0] * 9 + [1]


@pytest.mark.parametrize("framing", ssmmp.Framing)
def test_a_client_written_by_hand_in_each_framing(make_talk, framing):
    """Raw text: register, be asked to execute, request a session, close it."""
    talk = make_talk()
    talk.start()
    dialect = ssmmp.Dialect(framing)

    def say(text):
        lines = [line for line in text.strip().split("\n")]
        joined = {"lines": "\n".join(lines) + "\n\n", "tilde": " ~ ".join(lines) + "\n",
                  "semicolon": ";".join(lines) + "\n"}[framing.value]  # fmt: skip
        (unit,) = ssmmp.Reader().feed(joined.encode())
        message = ssmmp.parse(unit, ssmmp.Actor.MANAGER)
        actions = talk.manager.receive(talk.now, "nc", message)
        return [ssmmp.format(one.message, dialect) for one in actions if isinstance(one, Tell)]

    welcome, execution = say(
        "type: initiation_request\nmessage_id: 1\nagent_network_address: ::1\n"
        "service_repository: web, orders"
    )
    assert b"status: 200" in welcome.replace(b":2", b": 2")
    id = ssmmp.parse(execution).id
    say(f"type: execution_response\nmessage_id: {id}\nstatus: 200")
    (execution,) = say(
        "type: session_request\nmessage_id: 7\nsub_type: agent_to_Manager\n"
        "agent_network_address: ::1\nsource_service_name: web\nsource_service_instance_id: 1\n"
        "source_plug_name: orders_client\ndest_service_name: orders\n"
        "dest_socket_name: orders_api"
    )
    id = ssmmp.parse(execution).id
    (offer,) = say(f"type: execution_response\nmessage_id: {id}\nstatus: 200")
    port = ssmmp.parse(offer).number("dest_socket_port")
    assert say("type: session_ack\nmessage_id: 7\nsub_type: agent_to_Manager\nstatus: 200\n"
               f"source_plug_port: 40000\ndest_socket_new_port: {port}") == []  # fmt: skip
    assert talk.session(1).state == "OPEN"
    say("type: source_service_session_close_info\nmessage_id: 8\nsub_type: agent_to_Manager\n"
        "source_service_name: web\nsource_service_instance_network_address: ::1\n"
        "source_service_instance_id: 1\nsource_plug_name: orders_client\n"
        "source_plug_port: 40000\ndest_service_name: orders\n"
        "dest_service_instance_network_address: ::1\ndest_socket_name: orders_api\n"
        f"dest_socket_port: {port}\ndest_socket_new_port: {port}")  # fmt: skip
    assert talk.session(1).state == "HALF_CLOSED"


def test_an_agent_that_is_configured_for_edition_1_1(make_talk):
    talk = make_talk(settings=ManagerSettings(edition_1_1=("fd00::1",), health_interval=1e6))
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    (line,) = talk.ready(talk.ask("a", 1, 9, WISH))
    assert talk.manager.edition("a") is ssmmp.Edition.V11
    assert talk.manager.edition("b") is ssmmp.Edition.BASE
    assert "dest_service_instance_id=2" in line and "source_service_instance_id=1" in line


def test_a_reload_ends_what_is_not_in_the_graph_any_more(talk, parse_graph):
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.ack("a", 9, 40000)
    talk.graph = parse_graph(
        "[service web]\nkind = gateway\nplugs = orders_client -> mail.smtp\n"
        "[service mail]\nsockets = smtp\nstart = eager\n"
    )
    lines = talk.act(talk.manager.reload(talk.now, talk.graph))
    assert any(" source_service_session_close_request " in line for line in lines)
    assert talk.row(2).state == "DRAINING"
    assert "status=404" in talk.ask("a", 1, 10, WISH)[0]


def test_an_unknown_response_is_counted(talk):
    talk.say("a", "hard_shutdown_response 4711 status=200")
    talk.say("a", "source_service_session_close_response 4711 status=200")
    assert talk.counts[-2:] == [
        "unexpected.hard_shutdown_response", "unexpected.source_service_session_close_response"
    ]  # fmt: skip


def test_instance_ids_are_never_used_twice(talk):
    talk.ready(talk.ask("a", 1, 9, WISH))
    seen = max(talk.manager.state.store.instances)
    talk.gone("a")
    talk.gone("b")
    talk.wait(5000)
    talk.restart()
    talk.register("a", "fd00::1", "web,orders")
    talk.wait(100)
    assert min(talk.manager.state.store.instances) > seen - 1
    assert talk.manager.state.store.counters["instance"] > seen


def test_the_same_journal_gives_the_same_manager(talk):
    talk.ready(talk.ask("a", 1, 9, WISH))
    again = Manager.restore(talk.journal, talk.graph, talk.settings)
    again.health.next_probe = 1e6
    assert again.next_deadline() == talk.manager.next_deadline()
    assert again.tick(talk.now + 20) == talk.manager.tick(talk.now + 20)


def test_speed_leaves_room(make_talk):
    """No scans: a request costs about the same with one session and with ten thousand."""
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.ready(talk.ask("a", 1, 9, WISH))
    touched = []
    store = talk.manager.state.store
    original = dict.values

    class Counted(dict):
        def values(self):
            touched.append(len(self))
            return original(self)

    store.sessions = Counted(store.sessions)
    store._tables["session"] = store.sessions
    row = talk.session(1)
    for n in range(2, 2000):
        store.put(replace(row, key=n, message=n, state="OPEN", from_port=n))
    message = ssmmp.AGENT_TO_MANAGER.make(
        "session_request", 5000, source_service_name="web", source_service_instance_id=1,
        source_plug_name="orders_client", dest_service_name="orders",
        dest_socket_name="orders_api", agent_network_address="fd00::1",
    )  # fmt: skip
    store.counters["session"] = 5000
    actions = talk.manager.receive(talk.now, "a", message)
    assert [one.message.status for one in actions if isinstance(one, Tell)] == [200]
    assert not touched
