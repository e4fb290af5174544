"""What passes a gateway by the names of DPEs and by the beginnings of topics."""

import pytest

from ccproxy_handlers.xmsg.permit import Permit

DPE = "10.0.0.1%7900_java"
NAME = DPE.encode()
EVERYTHING = Permit((), ())
ONE = Permit((DPE,), ())
TOPICS = Permit((), ("ring:", "a:b"))


@pytest.mark.parametrize(
    "topic", [b"dpe:" + NAME, NAME, NAME + b":c", NAME + b":c:E", b"dpe:" + NAME + b":x"]
)
def test_requests_to_a_dpe_enter(topic):
    assert ONE.enters(topic) and EVERYTHING.enters(topic) and not TOPICS.enters(topic)


@pytest.mark.parametrize(
    "topic", [b"", b"dpe:", b"dpe:dpe:" + NAME, NAME + b"x", b"done:" + NAME, b"ret:1", NAME[:-1]]
)
def test_nothing_else_enters(topic):
    assert not ONE.enters(topic) and EVERYTHING.enters(topic)


@pytest.mark.parametrize(
    "topic",
    [
        b"done:" + NAME, b"data:" + NAME + b":c:E", b"ERROR:" + NAME, b"WARNING:" + NAME,
        b"INFO:" + NAME, b"dpeAlive::" + NAME, b"dpeReport:session:" + NAME, b"ret:12:13",
        b"return: 9", b"done:", b"data:10.0", b"dpeAlive:", b"dpeAlive:session:",
    ],
)  # fmt: skip
def test_reports_and_answers_leave(topic):
    assert ONE.leaves(topic) and EVERYTHING.leaves(topic)


@pytest.mark.parametrize(
    "topic",
    [
        b"", b"dpe:" + NAME, NAME, b"done:10.0.0.2_java", b"done", b"dpeAlive", b"secret:x",
        b"dpeAlive:session:10.0.0.2_java", b"done:" + NAME + b"x", b"ring:x",
    ],
)  # fmt: skip
def test_nothing_else_leaves(topic):
    assert not ONE.leaves(topic) and EVERYTHING.leaves(topic)


def test_topics_pass_in_both_directions():
    for topic in (b"ring:", b"ring:x", b"a:b", b"a:bc"):
        assert TOPICS.enters(topic) and TOPICS.leaves(topic)
    assert TOPICS.leaves(b"a:") and not TOPICS.enters(b"a:")  # confirms a subscription
    assert not TOPICS.leaves(b"done:" + NAME) and TOPICS.leaves(b"ret:1")
