"""The core of the library for services: transcripts, without any I/O."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols import ssmmp
from ccproxy.service import Configuration, Core, Settings
from ccproxy.service.events import Attach, CloseWanted, Detach, Granted, Refused, Stop, Transmit
from ccproxy.service.states import MEANING, PLUG, SOCKET, Event, State

ENVIRONMENT = {
    "SSMMP_AGENT": "tcp://127.0.0.1:55556",
    "SSMMP_SERVICE_NAME": "orders",
    "SSMMP_INSTANCE_ID": "7",
    "SSMMP_ADDRESS": "127.0.0.1",
    "SSMMP_SOCKETS": "((orders_api, 54001); (admin, 54002))",
    "SSMMP_PLUGS": "((store_client, sql, store); (mail, post))",
    "SSMMP_TOKEN": "secret",
}
FIRST = 7_000_000


class Talk:
    """A core, and what an agent would see of it."""

    def __init__(self, settings=None):
        self.core = Core(Configuration.from_environment(ENVIRONMENT), settings)
        self.now = 100.0
        self.said = []
        self.news = []
        self.do(self.core.start(self.now))

    def do(self, actions):
        for one in actions:
            if isinstance(one, Transmit):
                self.said.append(ssmmp.parse(one.data.rstrip(b"\n"), ssmmp.Actor.AGENT))
            else:
                self.news.append(one)

    def link(self, status=200):
        self.do(self.core.linked(self.now))
        hello = self.take("instance_hello_request")
        self.tell("instance_hello_response", hello.id, status=status)
        return hello

    def tell(self, type, id, **fields):
        made = ssmmp.AGENT_TO_INSTANCE.make(type, id, **fields)
        self.do(self.core.received(self.now, ssmmp.format(made)))

    def take(self, type):
        """The next thing it says, which is of this type."""
        message = self.said.pop(0)
        assert message.type == type
        return message

    def ask(self):
        key, actions = self.core.ask(self.now, "store_client")
        self.do(actions)
        return key

    def grant(self, status=200, port=54009):
        request = self.take("session_request")
        self.tell("session_response", request.id, status=status, dest_socket_port=port,
                  dest_service_instance_network_address="127.0.0.2")  # fmt: skip
        return request

    def open(self):
        key = self.ask()
        self.grant()
        self.do(self.core.connected(self.now, key, 40001))
        assert self.take("session_ack").status == 200
        self.news.clear()
        return key

    def close_request(self, id=900, side="source", **fields):
        known = {
            "source_service_name": "orders", "source_service_instance_id": 7,
            "source_service_instance_network_address": "127.0.0.1",
            "source_plug_name": "store_client", "source_plug_port": 40001,
            "dest_service_name": "store", "dest_service_instance_network_address": "127.0.0.2",
            "dest_service_instance_id": 3, "dest_socket_name": "sql", "dest_socket_port": 54009,
            "dest_socket_new_port": 54009,
        } | fields  # fmt: skip
        type = f"{side}_service_session_close_request"
        row = ssmmp.row_of(ssmmp.AGENT_TO_INSTANCE.make(type, id))
        self.tell(type, id, **{name: known[name] for name in row.base})

    def pass_time(self, seconds):
        self.now += seconds
        self.do(self.core.tick(self.now))


@pytest.fixture
def talk():
    made = Talk()
    assert made.news == [Attach(0.0)]
    made.news.clear()
    made.link()
    return made


def test_the_environment_says_who_it_is():
    found = Configuration.from_environment(ENVIRONMENT)
    assert (found.service, found.instance, found.token) == ("orders", 7, "secret")
    assert found.port("admin") == 54002
    assert found.plug("store_client") == ssmmp.PlugEntry("store_client", "store", "sql")
    assert found.plug("mail", "smtp").socket == "smtp"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"SSMMP_AGENT": ""}, "SSMMP_AGENT is not set"),
        ({"SSMMP_INSTANCE_ID": "x"}, "positive integer"),
        ({"SSMMP_SOCKETS": "((a, b))"}, "port"),
        ({"SSMMP_PLUGS": "((a, b"}, "parentheses"),
    ],
)
def test_a_wrong_environment_is_named(changes, what):
    with pytest.raises(ValueError, match=what):
        Configuration.from_environment(ENVIRONMENT | changes)


def test_who_asks_for_what_is_not_there_is_told(talk):
    configuration = talk.core.desk.configuration
    with pytest.raises(ValueError, match="there are store_client, mail"):
        talk.core.ask(0.0, "stor")
    with pytest.raises(ValueError, match="say the socket of post"):
        configuration.plug("mail")
    with pytest.raises(ValueError, match="there are orders_api, admin"):
        configuration.port("web")


def test_hello_names_the_instance_and_its_token():
    hello = Talk().link()
    assert hello.number("service_instance_id") == 7
    assert hello.extra("x_token") == "secret"


def test_session(talk):
    key = talk.ask()
    request = talk.grant()
    assert request.id == FIRST + 2
    assert request.text("dest_service_name") == "store"
    assert talk.news == [Granted(key, "127.0.0.2", 54009)]
    talk.do(talk.core.connected(talk.now, key, 40001))
    ack = talk.take("session_ack")
    assert (ack.id, ack.status) == (request.id, 200)
    assert (ack.number("source_plug_port"), ack.number("dest_socket_new_port")) == (40001, 54009)
    talk.do(talk.core.closed(talk.now, key))
    info = talk.take("source_service_session_close_info")
    assert info.id != request.id
    assert (info.status, info.number("source_plug_port")) == (111, 40001)
    assert not talk.core.sessions.rows


def test_connection_refused_then_success_elsewhere(talk):
    key = talk.ask()
    first = talk.grant()
    talk.do(talk.core.failed(talk.now, key, 502))
    assert talk.take("session_ack").status == 502
    talk.pass_time(0.1)
    second = talk.grant(port=54010)
    assert second.id != first.id
    assert talk.news[-1] == Granted(key, "127.0.0.2", 54010)


@pytest.mark.parametrize("status", [403, 404, 410, 400])
def test_refused_for_good(talk, status):
    key = talk.ask()
    talk.grant(status)
    assert talk.news == [Refused(key, status)]
    assert not talk.core.sessions.rows


@pytest.mark.parametrize("status", [429, 503, 504])
def test_refused_for_now(talk, status):
    talk.ask()
    talk.grant(status)
    talk.pass_time(0.09)
    assert not talk.said
    talk.pass_time(0.02)
    talk.grant(status)
    talk.pass_time(0.15)
    assert not talk.said, "the wait grows"
    talk.pass_time(0.06)
    assert talk.grant()


def test_an_id_that_is_in_use_is_replaced_at_once(talk):
    talk.ask()
    first = talk.grant(409)
    assert talk.grant().id != first.id


def test_a_grant_that_comes_too_late_is_disclaimed(talk):
    key = talk.ask()
    talk.do(talk.core.closed(talk.now, key))
    request = talk.grant()
    ack = talk.take("session_ack")
    assert (ack.id, ack.status) == (request.id, 408)


def test_closed_on_request(talk):
    key = talk.open()
    talk.close_request()
    assert talk.news == [CloseWanted(key)] and not talk.said
    talk.do(talk.core.closed(talk.now, key))
    answer = talk.take("source_service_session_close_response")
    assert (answer.id, answer.status) == (900, 200)
    assert not talk.said, "the answer says it, no info follows"


def test_close_requests_may_be_repeated(talk):
    key = talk.open()
    talk.close_request(900)
    talk.close_request(901)
    talk.do(talk.core.closed(talk.now, key))
    found = [talk.take("source_service_session_close_response").id for _ in range(2)]
    assert found == [900, 901]
    talk.close_request(902)
    assert talk.take("source_service_session_close_response").status == 404


def test_a_close_can_be_declined(talk):
    key = talk.open()
    talk.close_request()
    talk.do(talk.core.declined(talk.now, key))
    assert talk.take("source_service_session_close_response").status == 409
    talk.do(talk.core.closed(talk.now, key))
    assert talk.take("source_service_session_close_info")


def test_a_close_request_crosses_a_close_info(talk):
    key = talk.open()
    talk.do(talk.core.closed(talk.now, key, 122))
    talk.close_request()
    assert talk.take("source_service_session_close_info").status == 122
    assert talk.take("source_service_session_close_response").status == 404


def test_an_address_that_was_translated_is_no_obstacle(talk):
    key = talk.open()
    talk.close_request(dest_service_instance_network_address="10.0.0.9")
    assert talk.news == [CloseWanted(key)]


def accept(talk, port=50001):
    key, actions = talk.core.accepted(talk.now, "orders_api", ("127.0.0.3", port))
    talk.do(actions)
    return key


def test_accepted_sessions(talk):
    key = accept(talk)
    talk.do(talk.core.closed(talk.now, key))
    info = talk.take("dest_service_session_close_info")
    assert info.number("dest_service_instance_id") == 7
    assert info.text("source_service_instance_network_address") == "127.0.0.3"
    assert (info.number("source_plug_port"), info.number("dest_socket_port")) == (50001, 54001)


def test_accepted_sessions_are_closed_on_request(talk):
    keys = [accept(talk, port) for port in (50001, 50002)]
    talk.close_request(
        side="dest", source_service_instance_network_address="127.0.0.3", source_plug_port=50002,
        dest_socket_port=54001,
    )  # fmt: skip
    assert talk.news == [CloseWanted(keys[1])]
    talk.do(talk.core.closed(talk.now, keys[1]))
    assert talk.take("dest_service_session_close_response").status == 200


def test_the_agent_is_away(talk):
    key, waiting = talk.open(), talk.ask()
    asked = talk.take("session_request")
    talk.close_request()
    talk.do(talk.core.unlinked(talk.now))
    assert talk.news[-1] == Attach(0.1)
    talk.do(talk.core.closed(talk.now, key))
    assert not talk.said
    talk.link()
    assert talk.take("source_service_session_close_info"), "nobody waits for an answer any more"
    assert talk.grant().id != asked.id
    assert talk.news[-1] == Granted(waiting, "127.0.0.2", 54009)


def test_what_is_kept_has_a_limit():
    talk = Talk(Settings(backlog=3))
    for key in [accept(talk, port) for port in range(1, 6)]:
        talk.do(talk.core.closed(talk.now, key))
    assert talk.core.desk.lost == 2
    talk.link()
    assert [one.number("source_plug_port") for one in talk.said] == [3, 4, 5]


def test_attempts_to_attach_become_rarer(talk):
    for _ in range(8):
        talk.do(talk.core.unlinked(talk.now))
    delays = [one.delay for one in talk.news]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_an_agent_that_says_nothing_is_left():
    talk = Talk()
    talk.do(talk.core.linked(talk.now))
    assert talk.core.next_deadline() == talk.now + 5.0
    talk.pass_time(5.0)
    assert isinstance(talk.news[-1], Detach)


def test_an_agent_without_the_extension_will_do():
    talk = Talk()
    talk.link(501)
    assert talk.core.attached


def test_who_was_replaced_ends():
    talk = Talk(Settings(strange=2))
    for _ in range(2):
        assert Stop() not in talk.news
        talk.link(404)
        talk.do(talk.core.unlinked(talk.now))
    assert talk.news.count(Stop()) == 1


def test_graceful_shutdown(talk):
    talk.tell("graceful_shutdown_request", 50, service_name="orders", service_instance_id=7)
    talk.tell("graceful_shutdown_request", 51, service_name="orders", service_instance_id=7)
    assert talk.news == [Stop()] and talk.core.stopping
    talk.do(talk.core.stopped(talk.now))
    answer = talk.take("graceful_shutdown_response")
    assert (answer.id, answer.status) == (51, 200)


def test_leaving_is_announced(talk):
    talk.do(talk.core.leave(talk.now))
    assert talk.take("service_instance_termination_info").number("service_instance_id") == 7


@pytest.mark.parametrize("type", ["health_control", "service_instance_health"])
def test_health(talk, type):
    fields = {"service_name": "orders", "service_instance_id": 7}
    if type == "service_instance_health":
        fields = {"service_instance_id": 7, "service_instance_network_address": "127.0.0.1"}
    talk.core.health = 429
    talk.tell(f"{type}_request", 60, **fields)
    answer = talk.take(f"{type}_response")
    assert (answer.id, answer.status) == (60, 429)


def test_what_cannot_be_read_is_answered_if_that_is_possible(talk):
    [sent] = talk.core.received(talk.now, b"type: dance_request\nmessage_id: 5\n\n")
    assert b"type: dance_response\nmessage_id: 5\nstatus: 501" in sent.data
    assert talk.core.received(talk.now, b"type: dance\nmessage_id: 5\n\n") == []


SPECIFIED = """
    ASKED    granted    GRANTED
    ASKED    refused    GONE
    ASKED    busy       WAITING
    WAITING  timeout    ASKED
    GRANTED  connected  OPEN
    GRANTED  failed     WAITING
    OPEN     requested  CLOSING
    OPEN     closed     GONE
    CLOSING  closed     GONE
"""
"""State, event and next state of a plug's session as the specification has them (chapter 8, the
library). Its GRANTED and CONNECTING are one state here, and CLOSED is GONE."""


def test_the_table_of_a_plug_has_the_rows_of_the_specification():
    for line in SPECIFIED.strip().splitlines():
        state, event, following = line.split()
        assert PLUG[State(state), Event(event)][1] == following, line


def test_tables_are_whole():
    known = Core(Configuration.from_environment(ENVIRONMENT)).sessions._effects
    assert set(MEANING) == set(Event)
    for rules in (PLUG, SOCKET):
        assert {word for effects, _ in rules.values() for word in effects} <= set(known)
    assert {word for effects, _ in PLUG.values() for word in effects} == set(known)


STEPS = ["link", "unlink", "ask", "grant", "refuse", "connect", "fail", "close", "request", "time"]


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_every_session_ends_in_one_word(steps):
    """Whatever happens: an open session ends with an info or the answers to all who asked."""
    talk = Talk()
    told = 0
    opened = 0
    for step in [*steps, "link", "close"]:
        rows = list(talk.core.sessions.rows.values())
        row = rows[0] if rows else None
        if step == "link" and not talk.core.attached:
            talk.do(talk.core.linked(talk.now))
            hello = next(one for one in talk.said if one.type == "instance_hello_request")
            talk.tell("instance_hello_response", hello.id, status=200)
        elif step == "unlink" and talk.core.attached:
            talk.do(talk.core.unlinked(talk.now))
        elif step == "ask" and row is None:
            talk.do(talk.core.ask(talk.now, "store_client")[1])
        elif step in ("grant", "refuse") and row and row.request and row.state is State.ASKED:
            status = 200 if step == "grant" else 503
            talk.tell("session_response", row.request, status=status, dest_socket_port=54009,
                      dest_service_instance_network_address="127.0.0.2")  # fmt: skip
        elif step == "connect" and row and row.state is State.GRANTED:
            talk.do(talk.core.connected(talk.now, row.key, 40001))
            opened += 1
        elif step == "fail" and row and row.state is State.GRANTED:
            talk.do(talk.core.failed(talk.now, row.key, 502))
        elif step == "close" and row:
            talk.do(talk.core.closed(talk.now, row.key))
        elif step == "request" and row and talk.core.attached:
            talk.close_request()
        elif step == "time":
            talk.pass_time(3.0)
    for one in talk.said:
        told += one.type == "source_service_session_close_info"
        answered = one.type == "source_service_session_close_response"
        told += answered and one.status == 200
    assert told >= opened and not talk.core.sessions.rows
    ids = [one.id for one in talk.said if one.type in ("session_request", "session_ack")]
    assert all(id // 1_000_000 == 7 for id in ids)


def test_settings_are_values():
    assert replace(Settings(), backlog=1) != Settings()
