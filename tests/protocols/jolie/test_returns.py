"""A reply of CC finds the call of its connection, and nothing else does."""

from ccproxy.core.outbox import Limits
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.returns import Returns
from ccproxy.protocols.jolie.values import Result
from ccproxy.wire import cc
from ccproxy.wire.zmtp import pack


class Caller:
    """Waits for the call of one number."""

    def __init__(self):
        self.answers = []

    def give(self, number, answer):
        if number != b"7" or self.answers:
            return "gone"
        self.answers.append(answer)
        return "replied"


def test_a_reply_that_comes_back_over_a_link_is_an_answer():
    caller = Caller()
    returns = Returns(caller, Limits())
    payload = cc.CcCodec("here", lambda: 1.5).encode("reply.calc.Sum.add", {"data": 7}, None)

    def back(*route):
        return pack(cc.frames(route, "reply.calc.Sum.add", payload))

    assert returns.offer(back(b"999") + back() + pack([b"x"]), 3) == 0
    assert caller.answers == []
    assert returns.offer(back(b"7"), 1) == 1
    assert returns.offer(back(b"7"), 1) == 0
    [answer] = caller.answers
    expected = cccall.read_reply("reply.calc.Sum.add", payload)
    assert isinstance(answer, Result) and answer.value.tree() == expected.value.tree()
