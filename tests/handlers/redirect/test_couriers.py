import pytest

from ccproxy import Call, Courier, Fault, Handler, Result, Tree
from ccproxy.testing import run_handler
from ccproxy_handlers.redirect import couriers

CALL = Call("/", "sum", Tree(1))


class Marks(Courier):
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def before(self, call):
        self.log.append(f"before {self.name}")
        return call._replace(operation=call.operation + self.name)

    def after(self, call, answer):
        self.log.append(f"after {self.name} {call.operation}")
        return answer


class Denies(Courier):
    def before(self, call):
        return Fault("Denied", Tree())


class Breaks(Courier):
    def before(self, call):
        raise KeyError("secret")

    def after(self, call, answer):
        raise KeyError("secret")


def test_couriers_stand_around_a_call_like_layers():
    log: list[str] = []
    both = [Marks("A", log), Marks("B", log)]
    call = couriers.before(both, CALL)
    assert call == Call("/", "sumAB", Tree(1))
    assert couriers.after(both, call, Result(Tree())) == Result(Tree())
    assert log == ["before A", "before B", "after B sumAB", "after A sumAB"]


def test_one_that_answers_saves_the_call():
    log: list[str] = []
    found = couriers.before([Marks("A", log), Denies(), Marks("B", log)], CALL)
    assert found == Fault("Denied", Tree())
    assert log == ["before A", "after A sumA"]


def test_one_that_raises_is_a_fault_without_its_text():
    for found in (
        couriers.before([Breaks()], CALL),
        couriers.after([Breaks()], CALL, Result(Tree())),
    ):
        assert found.name == "IOException"
        assert "KeyError" in found.value.tree().payload
        assert "secret" not in found.value.tree().payload


class Forgets(Courier):
    def before(self, call):
        pass

    def after(self, call, answer):
        pass


def test_one_that_forgets_to_answer_is_a_fault():
    assert isinstance(couriers.before([Forgets()], CALL), Fault)
    assert isinstance(couriers.after([Forgets()], CALL, Result(Tree())), Fault)


def test_the_base_class_changes_nothing():
    assert couriers.before([Courier()], CALL) is CALL
    assert couriers.after([Courier()], CALL, Result(Tree(2))) == Result(Tree(2))


class Section(Breaks, Handler):
    """A courier as the server has them."""


def test_one_that_raises_is_logged_where_its_section_is():
    with run_handler(Section) as section:
        assert isinstance(couriers.before([section.handler], CALL), Fault)
        assert section.ctx.counters["courier-failed"] == 1
        with pytest.raises(RuntimeError, match=r"Breaks\.before failed") as error:
            section.ctx.advance(0.0)
        assert isinstance(error.value.__cause__, KeyError)
