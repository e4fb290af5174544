"""Transcripts: events of libzmq in, the reason and the time of the next attempt out."""

import pytest
import zmq

from ccproxy.client.connection import LONGEST_WAIT, MISMATCH, NO_CONNECTION, ConnectionWatch

BEGUN, DONE, ENDED = zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED
RETRIED, CLOSED = zmq.EVENT_CONNECT_RETRIED, zmq.EVENT_CLOSED
BROKEN = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
WRONG = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH
HINTS = {
    "NULL": "may ask for a key or a password", "PLAIN": "not know the user",
    "CURVE": "not allow the client's key",
}  # fmt: skip


def watched(mechanism: str, *events: int, value: int = 0) -> ConnectionWatch:
    watch = ConnectionWatch(mechanism)
    for event in events:
        watch.see(event, value, 1000.0)
    return watch


@pytest.mark.parametrize("mechanism", HINTS)
@pytest.mark.parametrize(
    ("events", "reason", "libzmq_tries"),
    [
        ((BEGUN,), "the handshake with the server is not done: ", True),
        ((BEGUN, BROKEN, ENDED, RETRIED), "the server has ended the handshake: ", True),
        ((BEGUN, BROKEN, ENDED, RETRIED, BEGUN), "the server has ended the handshake: ", True),
        ((BEGUN, ENDED), "the server has refused the client: ", False),
        ((BEGUN, REFUSED, ENDED), "the server has refused the client: ", False),
        ((BEGUN, WRONG, ENDED), "the server has refused the client: ", False),
    ],
)
def test_a_handshake_that_fails_has_a_reason(mechanism, events, reason, libzmq_tries):
    watch = watched(mechanism, *events)
    assert watch.problem.startswith(reason) and HINTS[mechanism] in watch.problem
    assert (watch.again_at is None) == libzmq_tries


@pytest.mark.parametrize(
    ("mechanism", "reason"),
    [
        ("NULL", "the server asks for a key or a password"),
        ("PLAIN", "does not speak PLAIN"),
        ("CURVE", "does not speak CURVE"),
    ],
)
def test_another_mechanism_is_named(mechanism, reason):
    watch = watched(mechanism, BEGUN, WRONG, ENDED, value=MISMATCH)
    assert reason in watch.problem
    assert 1000.0 < watch.again_at <= 1000.0 + LONGEST_WAIT


@pytest.mark.parametrize(
    "events",
    [
        (),
        (CLOSED, RETRIED),
        (BEGUN, DONE, ENDED, RETRIED),
        (BEGUN, BROKEN, ENDED, RETRIED, CLOSED, RETRIED),
    ],
)
def test_without_a_connection_nothing_else_is_said(events):
    watch = watched("CURVE", *events)
    assert (watch.problem, watch.again_at) == (NO_CONNECTION, None)


def test_a_connection_that_works_has_no_problem():
    assert watched("CURVE", BEGUN, BROKEN, ENDED, RETRIED, BEGUN, DONE).problem == ""
    old = watched("NULL", BEGUN)
    old.works()
    assert old.problem == ""


def test_what_libzmq_gives_up_in_the_middle_is_tried_again():
    watch = watched("NULL", BEGUN, DONE, ENDED)
    assert watch.again_at is not None
    watch.see(BEGUN, 0, 1001.0)
    assert watch.again_at is None
