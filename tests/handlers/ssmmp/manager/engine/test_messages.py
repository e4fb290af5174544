"""Messages of agents reach the part that expects them, and others reach none."""

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.commands import Scale


def test_every_message_of_an_agent_has_a_receiver(talk):
    known = {
        row.type
        for row in ssmmp.ROWS
        if row.receiver is ssmmp.Actor.MANAGER and row.type != "initiation_request"
    }
    assert known <= set(talk.manager._messages._receivers)


def test_a_sender_that_is_not_registered_is_refused(talk):
    said = talk.ask("x", 1, 9, "orders_client orders orders_api")
    assert "unregistered.session_request" in talk.counts
    assert [line.split()[:3] for line in said] == [["x", "session_response", "9"]]
    assert "status=403" in said[0]


def test_an_answer_that_no_request_waits_for_is_counted(talk):
    assert talk.say("a", "execution_response 777 status=200") == []
    assert "unexpected.execution_response" in talk.counts


def test_the_answer_of_another_agent_is_no_answer(talk):
    [request] = [one for one in talk.do(Scale("orders", 1)) if " execution_request " in one]
    peer, _, id = request.split()[:3]
    other = "a" if peer == "b" else "b"
    talk.say(other, f"execution_response {id} status=200")
    assert talk.row(2).state == "STARTING"
    assert "unexpected.execution_response" in talk.counts
    talk.say(peer, f"execution_response {id} status=200")
    assert talk.row(2).state == "RUNNING"


def test_a_connection_that_ends_takes_its_unreadable_texts_with_it(talk):
    error = ssmmp.Malformed("no type", unreadable=True)
    for _ in range(9):
        talk.act(talk.manager.malformed(talk.now, "x", error))
    talk.gone("x")
    talk.act(talk.manager.malformed(talk.now, "x", error))
    assert talk.closed == [] and talk.counts.count("malformed") == 10
