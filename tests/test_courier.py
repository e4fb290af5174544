"""The contract of a courier: a class that overrides nothing changes nothing."""

from ccproxy import Call, Courier, Fault, Result, Tree

CALL = Call("/", "sum", Tree(1))


def test_the_base_class_passes_calls_and_answers_on():
    courier = Courier()
    assert courier.before(CALL) is CALL
    for answer in (Result(Tree(2)), Fault("Denied", Tree())):
        assert courier.after(CALL, answer) is answer
