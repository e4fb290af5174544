"""What is sent at once, and what waits for the agent."""

from ccproxy.service import Configuration, Settings
from ccproxy.service.outgoing import IDS, Outgoing


def test_what_waits_for_the_agent_has_a_limit(make_talk):
    talk = make_talk(Settings(backlog=3))
    for key in [talk.accept(port) for port in range(1, 6)]:
        talk.do(talk.core.closed(talk.now, key))
    assert talk.core.outgoing.lost == 2
    talk.link()
    assert [one.number("source_plug_port") for one in talk.said] == [3, 4, 5]


def test_numbers_of_two_instances_never_meet(environment):
    made = [
        Outgoing(
            Configuration.from_environment(environment | {"SSMMP_INSTANCE_ID": id}), Settings()
        )
        for id in ("7", "8")
    ]
    assert [one.number() for one in made] == [7 * IDS + 1, 8 * IDS + 1]
    assert made[0].number() == 7 * IDS + 2
    assert [made[0].key(), made[0].key()] == [1, 2]


def test_a_message_waits_until_the_agent_knows_the_instance(environment):
    outgoing = Outgoing(Configuration.from_environment(environment), Settings())
    fields = {"status": 200}
    outgoing.send("graceful_shutdown_response", 5, **fields)
    assert outgoing.log == []
    outgoing.send_now("graceful_shutdown_response", 6, **fields)
    outgoing.flush()
    assert [b"message_id: 6" in one.data for one in outgoing.log] == [True, False]
    outgoing.attached = True
    outgoing.send("graceful_shutdown_response", 7, **fields)
    assert b"message_id: 7" in outgoing.log[-1].data
