"""The example courier, tested as its writer would."""

import importlib
from pathlib import Path

import pytest

from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree, io_fault
from ccproxy.testing import run_handler

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
DENIED = Fault("AccessDenied", Tree("the token is not the right one"))


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    with run_handler(importlib.import_module("guard").Guard, "token = right") as running:
        yield running


def call(*tokens: Tree) -> Call:
    children = {"x": [Tree(1)], "token": list(tokens)} if tokens else {"x": [Tree(1)]}
    return Call("/", "sum", Tree(None, children))


def test_the_right_token_opens_and_stays_here(guard):
    assert guard.handler.before(call(Tree("right"))) == call()


@pytest.mark.parametrize(
    "tokens", [(), (Tree("wrong"),), (Tree("right"), Tree("right")), (Tree(b"right"),), (Tree(),),
               (Tree("\ud800"),)],
)  # fmt: skip
def test_no_other_one_does(guard, tokens):
    assert guard.handler.before(call(*tokens)) == DENIED
    assert guard.ctx.counters["denied"] == 1


def test_what_a_service_says_of_its_failures_stays_here(guard):
    found = guard.handler.after(call(), io_fault("Connection refused by 10.0.0.7"))
    assert found == io_fault("The service failed")
    for other in (Result(Tree(8)), Fault("DivisionByZero", Tree("y"))):
        assert guard.handler.after(call(), other) is other
