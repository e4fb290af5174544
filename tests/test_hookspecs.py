"""The hooks: a plugin is checked against them, and every one is documented."""

import types

import pluggy
import pytest

from ccproxy import hookspecs


def manager():
    made = pluggy.PluginManager(hookspecs.PROJECT)
    made.add_hookspecs(hookspecs)
    return made


def test_hooks_are_documented():
    specified = [name for name in vars(hookspecs) if name.startswith("ccproxy_")]
    assert specified == ["ccproxy_handler", "ccproxy_protocol", "ccproxy_verb"]
    assert all(getattr(hookspecs, name).__doc__ for name in specified)


def test_a_hook_with_other_arguments_is_refused():
    module = types.ModuleType("wrong")

    @hookspecs.hookimpl
    def ccproxy_handler(word, folder):
        return None

    module.ccproxy_handler = ccproxy_handler
    with pytest.raises(pluggy.PluginValidationError):
        manager().register(module)


def test_every_module_may_answer():
    made = manager()
    for name in ("one", "two"):
        module = types.ModuleType(name)
        module.ccproxy_handler = hookspecs.hookimpl(lambda word, name=name: None)
        made.register(module)
    assert made.hook.ccproxy_handler(word="x") == []
