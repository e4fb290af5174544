"""The fuzzer and the measurement of worst shapes: what they send, and that they see the answers."""

import importlib
import random
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "contrib" / "bench"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scripts read /proc")


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(BENCH))
    try:
        yield importlib.import_module("fuzz"), importlib.import_module("worst_shapes")
    finally:
        sys.path.remove(str(BENCH))
        for name in ("fuzz", "worst_shapes", "growth"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("listener", ["cc", "http", "sodep", "jsonrpc", "ssmmp"])
def test_inputs_are_many_differ_and_can_be_made_again(scripts, listener):
    fuzz, _ = scripts
    inputs = fuzz.corpus(listener)
    assert len(inputs) > 10 and all(inputs)

    def made(seed):
        mutator = fuzz.Mutator(inputs, random.Random(seed))
        return [mutator.make(calm=False) for _ in range(50)]

    assert made(1) == made(1) != made(2)
    assert max(map(len, made(1))) <= fuzz.LONGEST
    assert fuzz.Mutator(inputs, random.Random(1)).make(calm=True) in inputs


def test_shapes_are_named_once_and_each_listener_has_some(scripts):
    _, worst = scripts
    shapes = worst.shapes()
    names = [(one.listener, one.title) for one in shapes]
    assert len(set(names)) == len(names)
    assert {one.listener for one in shapes} == set(worst.PORTS)


def test_an_attack_leaves_a_server_whose_messages_all_have_a_fate(scripts, capsys):
    """And the cost of a shape is a row of a table."""
    fuzz, worst = scripts
    with worst.running_server(worst.SERVER, 30) as server:
        address = ("127.0.0.1", server.ports[worst.PORTS["ssmmp"]])
        dice = random.Random(3)
        attacker = fuzz.Attacker(address, fuzz.Mutator(fuzz.corpus("ssmmp"), dice), dice)
        for _ in range(100):
            attacker.step(zmtp=False, calm=False)
        attacker.close()
        fuzz.ask("cc", server.ports["PORT1"], 0.05)
        shape = worst.Shape("cc", "messages", worst.MESSAGE * 10, messages=10)
        row = worst.row(server, shape, 10_000, 50.0)
        server.stop(30)
        assert fuzz.verdict(server) == 0
    times, _, said = capsys.readouterr().out.partition("\n")
    assert '"times": [' in times and '"lost": 0' in times
    assert "malformed=" in said and "tracebacks=0" in said
    assert row.startswith("| cc | messages | ") and row.endswith(" | 1 |")
