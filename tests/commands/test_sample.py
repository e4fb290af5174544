"""The sample configuration is valid, complete, and takes options of the command line."""

from ccproxy.commands.sample import sample
from ccproxy.config.options import options_of
from ccproxy.config.server import ServerOptions


def test_it_is_valid(ini, call):
    assert call("check", ini(sample({})))[0] == 0


def test_it_is_valid_with_every_default_switched_on(ini, call):
    switched = [line.removeprefix(";") for line in sample({}).splitlines()]
    kept = [line for line in switched if not line.startswith("zmq_hwm =")]
    status, out, _ = call("check", ini("\n".join(kept)))
    assert status == 0, out


def test_every_option_of_the_server_is_in_it():
    text = sample({})
    for one in options_of(ServerOptions):
        if not one.ignored and one.help != "not supported yet":
            assert f"\n# {one.help}\n" in text
            assert f"\n;{one.name} =" in text or f"\n{one.name} = " in text


def test_options_of_the_command_line_are_merged_in(call):
    status, out, _ = call(
        "--ini", "--set", "cc-socket=tcp://*:1", "--set", "flows = 5", "--set", "own=x"
    )
    assert status == 0
    assert "\ncc-socket = tcp://*:1\n" in out
    assert "\nflows = 5\n" in out and ";flows" not in out
    assert "\nown = x\n" in out
