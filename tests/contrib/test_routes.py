"""The example of a verb in a drop-in file."""

from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
INI = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:1
cc-role = local
plugins = {PLUGINS}
[routes]
a = h:a, h:b
* = h:b
[h:a]
handler = disposer
[h:b]
handler = hello
"""


def test_it_lists_the_routes_of_a_configuration(ini, call):
    file = ini(INI)
    assert call("routes", file) == (0, "a = h:a (disposer), h:b (hello)\n* = h:b (hello)\n", "")
    status, out, _ = call("routes", "--help", file)
    assert status == 0 and "List the routes of a configuration." in out


def test_a_file_with_mistakes_is_reported(ini, call):
    file = ini(INI.replace("disposer", "dispenser"))
    status, out, err = call("routes", file)
    assert (status, out) == (78, "") and 'no handler "dispenser"' in err
