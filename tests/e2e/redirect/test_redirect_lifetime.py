"""A service that closes connections behind late answers, as those of Jolie over HTTP do."""

import threading
import time

import pytest

from ccproxy.protocols.jolie.values import Result, Tree

BODIES = {"http": b'{"$":8}', "jsonrpc": b'{"jsonrpc":"2.0","result":8,"id":null}'}
CLOSES_AFTER = 1.0
"""Seconds from the opening of a connection; a Jolie service has 5."""
PAUSE = 0.02
"""Seconds between the last answer and the end, in which a call would be lost."""


class Jolie:
    """Closes a connection behind the first answer that comes late, without saying so."""

    def __init__(self, protocol):
        body = BODIES[protocol]
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self._answer += b"Content-Length: %d\r\n\r\n" % len(body) + body
        self._connection = threading.local()
        self.late = 0

    def __call__(self, call):
        here = self._connection
        if not hasattr(here, "opened"):
            here.opened = time.monotonic()
        if time.monotonic() - here.opened < CLOSES_AFTER:
            return Result(Tree(8))
        self.late += 1
        return [self._answer, PAUSE]


@pytest.mark.parametrize("protocol", BODIES)
def test_no_call_is_lost_to_a_service_that_closes_old_connections(
    start, ini, service, caller, value_of, protocol
):
    jolie = Jolie(protocol)
    far = service(protocol, jolie)
    start(ini(Sum={"location": far.location, "protocol": protocol, "lifetime": "300 ms"}))
    clients = [caller() for _ in range(4)]
    found = []

    def ask(client):
        end = time.monotonic() + 3 * CLOSES_AFTER
        while time.monotonic() < end:
            found.append(value_of(client.ask("/Sum")))

    threads = [threading.Thread(target=ask, args=(one,)) for one in clients]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(found) == {8}
    assert far.connections > len(clients)
