from itertools import count

from ccproxy.protocols.jolie.http import Sending
from ccproxy.protocols.jolie.sodep import (
    AnswerBuffer,
    FastRoute,
    InFlight,
    Upstream,
    UpstreamLoad,
    UpstreamPool,
)
from ccproxy.protocols.jolie.values import Call, Tree
from ccproxy_handlers.redirect.pending import ConnectionState, PendingCall


def fast(*sent):
    """A connection with calls of the fast path, sent at these seconds and late after ten."""
    upstream = Upstream(count(1), UpstreamLoad(10, 1000))
    route = FastRoute(UpstreamPool("utf-8", 10.0, lambda: 0.0), b"", "sum", None)
    for id, moment in enumerate(sent, 1):
        upstream.open[id] = InFlight(AnswerBuffer(), bytes(8), route, 5, moment)
    return ConnectionState(3, 1.0, upstream), upstream


def test_a_new_connection_is_idle_and_not_up():
    state = ConnectionState(3, 1.0, None)
    assert (state.id, state.since, state.heard, state.up, state.last) == (3, 1.0, 1.0, False, False)
    assert (state.busy, state.fast_calls, state.deadline()) == (0, {}, float("inf"))
    assert list(state.late(99.0)) == []


def test_calls_of_both_paths_keep_it_busy():
    state, _ = fast(0.0, 4.0)
    state.open[9] = PendingCall("a", Call("/", "sum", Tree()), 5.0)
    assert state.busy == 3


def test_late_calls_of_the_fast_path_come_oldest_first():
    state, _ = fast(0.0, 4.0, 5.0)
    assert state.deadline() == 10.0
    assert (list(state.late(9.0)), list(state.late(14.0))) == ([], [1, 2])


def test_the_last_bytes_may_come_on_either_path():
    state, upstream = fast()
    upstream.heard = 7.0
    assert state.heard == 7.0
    state.hear(8.0)
    assert state.heard == 8.0


def test_a_connection_that_is_no_longer_used_is_left_by_the_fast_path_too():
    state, upstream = fast()
    state.stop_using()
    assert state.last and upstream.last


def test_the_size_of_a_request_is_that_of_its_bytes_or_its_body():
    call = PendingCall("a", Call("/", "sum", Tree()), 5.0)
    assert (call.size, call.request, call.connection) == (0, None, None)
    call.write(b"12345")
    assert (call.size, call.request) == (5, b"12345")
    call.write(Sending(body=b"123"))
    assert call.size == 3
