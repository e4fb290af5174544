"""The protocol `zmq`: which listener a section becomes, and what `check` says of it."""

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.net.zmtp.role import no_answers
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.protocol import Receiving, ZmqProtocol
from ccproxy.protocols.zmq.replies import PayloadReplies, RepReplies


def plan(**options):
    given = ZmqListenerOptions(**{"socket": "pull", "type": "job", **options})
    return ListenerPlan("listen:in", "zmq", ZmqProtocol, "tcp://127.0.0.1:0", given, 7)


@pytest.mark.parametrize("option", [{"topics": True}, {"subscribe": ("a",)}])
def test_only_a_subscriber_subscribes(option):
    [name] = option
    [problem] = ZmqProtocol("zmq").check(plan(**option))
    assert f'"{name}" has no meaning with socket = pull' in problem.what and problem.line == 7
    assert not list(ZmqProtocol("zmq").check(plan(socket="xsub", **option)))


@pytest.mark.parametrize(
    ("socket", "replies"), [("pull", no_answers), ("router", PayloadReplies), ("rep", RepReplies)]
)
def test_the_roles_of_a_receiving_socket(socket, replies):
    roles = Receiving(plan(socket=socket).options)
    role = roles.listener_role()
    assert (role.socket, role.replies, role.own_identities) == (
        socket.upper().encode(), replies, True,
    )  # fmt: skip
    assert roles.link_role().socket == role.socket


def test_it_listens_or_connects():
    [problem] = ZmqProtocol("zmq").check(plan(connect=("tcp://127.0.0.1:1",)))
    assert "both address and connect" in problem.what
