"""Commands from the fields of messages."""

import pytest

from ccproxy_handlers.ssmmp.commands import (
    COMMANDS,
    Drain,
    Migrate,
    Rebalance,
    Scale,
    StopInstance,
    Undrain,
    Update,
    arguments,
    command_of,
)


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"command": "drain", "node": "A"}, Drain("A")),
        ({"command": "drain", "node": "A", "force": True, "time": 5.0}, Drain("A", True)),
        ({"command": "undrain", "node": "A"}, Undrain("A")),
        ({"command": "migrate", "instance": 3}, Migrate(3)),
        ({"command": "migrate", "instance": 3, "node": "B"}, Migrate(3, "B")),
        ({"command": "scale", "service": "web", "count": 0}, Scale("web", 0)),
        ({"command": "update", "service": "web", "program": "web@2"}, Update("web", "web@2")),
        ({"command": "rebalance", "service": "web"}, Rebalance("web")),
        ({"command": "stop", "instance": 3, "hard": True}, StopInstance(3, True)),
    ],
)
def test_commands(fields, command):
    assert command_of(fields) == command
    assert type(command) is COMMANDS[fields["command"]]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "command is None, expected one of drain,"),
        ({"command": ["drain"]}, "expected one of"),
        ({"command": "drain"}, "drain: node is None, expected str"),
        ({"command": "drain", "node": ""}, "drain: node is '', expected str"),
        ({"command": "scale", "service": "web", "count": "3"}, "count is '3', expected int"),
        ({"command": "scale", "service": "web", "count": True}, "count is True, expected int"),
        ({"command": "scale", "service": "web", "count": -1}, "count is -1"),
        ({"command": "stop", "instance": 3, "hard": 1}, "hard is 1, expected bool"),
    ],
)
def test_what_is_wrong_is_said(fields, says):
    with pytest.raises(ValueError, match="expected") as error:
        command_of(fields)
    assert says in str(error.value)


def test_every_command_and_argument_says_what_it_is():
    for command in COMMANDS.values():
        assert command.about and command.about[0].islower()
        listed = list(arguments(command))
        assert not any(one.joined for one in listed[:1])
        for one in listed:
            assert one.help or one.joined, f"{command.word} {one.name}"
            assert one.metavar or one.type is bool, f"{command.word} {one.name}"
