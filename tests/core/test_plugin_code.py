"""What a plugin raises is an ordinary exception behind the border; a ^C of an operator is not."""

import asyncio
import signal
import traceback

import pytest

from ccproxy.core.plugin_code import PluginCode, PluginExit, fault_of, file_of, interrupted


@pytest.fixture
def own_signals():
    """A handler of SIGINT of our own, as a server has."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


def leave(error):
    raise error


def raised(error):
    """What stands behind the border if this is raised inside."""
    try:
        with PluginCode():
            leave(error)
    except Exception as found:
        return found


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
        BaseException(),
    ],
)
def test_what_would_end_the_server_becomes_an_ordinary_exception(error):
    found = raised(error)
    assert type(found) is PluginExit
    assert str(found) == f"raised {error!r}"
    assert found.__cause__ is error
    assert traceback.extract_tb(found.__traceback__)[-1].name == "leave"


def test_an_ordinary_exception_stays_itself():
    error = KeyError("x")
    assert raised(error) is error


def test_nothing_happens_if_nothing_is_raised():
    with PluginCode():
        done = True
    assert done


def test_the_interrupt_of_an_operator_passes():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        raised(KeyboardInterrupt())
    assert interrupted(KeyboardInterrupt())
    assert not interrupted(SystemExit())


def test_a_fault_names_the_line_of_the_plugin_but_no_line_of_the_kernel():
    hint = fault_of('handler "x"', raised(LookupError()))
    assert hint.startswith('a fault of handler "x", test_plugin_code.py:')
    with pytest.raises(AttributeError) as caught:
        fault_of("x", None)
    assert fault_of("x", caught.value) == "a fault of x"


def test_the_file_of_an_object():
    class Here:
        pass

    assert file_of(Here()) == __file__
    assert file_of(7) == "builtins"
