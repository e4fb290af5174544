import pytest

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp import Actor, Edition


def test_make_knows_the_sub_type():
    made = ssmmp.MANAGER_TO_AGENT.make("graceful_shutdown_request", 5, service_name="a")
    assert made.sub_type == "Manager_to_agent"
    with pytest.raises(KeyError):
        ssmmp.INSTANCE_TO_AGENT.make("initiation_request", 5)


def test_forward_changes_the_sub_type_and_nothing_else():
    made = ssmmp.INSTANCE_TO_AGENT.make("session_ack", 5, (("x_a", "1"),), status=200)
    passed = ssmmp.AGENT_TO_MANAGER.forward(made)
    assert (passed.sub_type, passed.id, passed.fields) == ("agent_to_Manager", 5, made.fields)
    assert passed.extras == made.extras


def test_fields_by_name_with_harmless_defaults():
    made = ssmmp.AGENT_TO_MANAGER.make("execution_response", 5, (("x_a", "1"),), status=204)
    assert made.ok and made.status == 204
    assert (made.text("a"), made.number("a"), made.items("a")) == ("", 0, ())
    assert (made.extra("x_a"), made.extra("x_b")) == ("1", None)
    assert hash(made) == hash(made)


def test_trimmed_keeps_what_the_edition_has():
    made = ssmmp.MANAGER_TO_AGENT.make(
        "session_response", 5, status=200, source_service_name="a", dest_socket_port=1
    )
    assert set(ssmmp.trimmed(made, Edition.BASE).fields) == {"status", "dest_socket_port"}
    assert ssmmp.trimmed(made, Edition.V11).fields == made.fields
    odd = ssmmp.SsmmpMessage("x_response", 1, "", {"status": 501})
    assert ssmmp.trimmed(odd, Edition.BASE) is odd


@pytest.mark.parametrize("row", [r for r in ssmmp.ROWS if r.type.endswith("_request")], ids=str)
def test_every_refusal_can_be_read_by_its_receiver(row):
    known = {"service_name": "a", "service_instance_id": 1, "agent_network_address": "::1"}
    answer = ssmmp.refusal(row, 7, 400, known)
    if row.origin == "reference":
        assert answer is None
        return
    assert answer and answer.status == 400
    assert ssmmp.parse(ssmmp.format(answer), row.sender) == answer


def test_what_is_no_request_is_never_answered():
    rows = [row for row in ssmmp.ROWS if not row.type.endswith("_request")]
    assert all(ssmmp.refusal(row, 7, 400, {}) is None for row in rows)
    assert {row.sender for row in rows} == set(Actor)
