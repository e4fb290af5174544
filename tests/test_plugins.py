"""Finding handlers: entry points, drop-in folders, and plugins that are broken in many ways."""

import os
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import ccproxy.plugins
from ccproxy import Handler
from ccproxy.config.problems import Problem
from ccproxy.plugins import HANDLER, VERB, Plugins, plain_word

HELLO = """from ccproxy import Handler


class Hello(Handler):
    "Says hello."
"""


@pytest.fixture
def folder(tmp_path):
    """Writes files of a drop-in folder; modules made from it are forgotten afterwards."""
    before = set(sys.modules)
    made = tmp_path / "plugins"
    made.mkdir()

    def write(name, text):
        (made / name).write_text(text)
        return str(made)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith(("ccproxy_plugin_", "drop_in_")):
            del sys.modules[name]


def point(word, value):
    return EntryPoint(word, value, HANDLER.group)


def problem_of(found):
    assert isinstance(found, Problem), found
    assert (found.file, found.line) == ("", 0)
    return "; ".join(part for part in (found.what, found.hint) if part)


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("echo", "echo"),
        ("cc.handler.echo", "echo"),
        ("dbhandler", "database"),
        ("cc.handler.database", "database"),
        ("my.handler", "my.handler"),
    ],
)
def test_words_of_the_original(word, plain):
    assert plain_word(word) == plain


def test_entry_points_are_found_by_every_spelling():
    plugins = Plugins([point("echo", "ccproxy_handlers.echo:Echo")])
    echo = plugins.handler("echo")
    assert issubclass(echo, Handler)
    assert plugins.handler("cc.handler.echo") is echo


def test_installed_packages_are_looked_at_once_for_all_kinds(monkeypatch):
    asked = []

    def looked():
        asked.append(1)
        return entry_points()

    monkeypatch.setattr(ccproxy.plugins, "entry_points", looked)
    plugins = Plugins()
    assert "echo" in plugins.handlers() and "cc" in plugins.protocols()
    assert "check" in plugins.words(VERB) and "echo" not in plugins.words(VERB)
    assert asked == [1]


def test_all_eleven_short_names_of_the_original_are_words():
    for word in ("dbhandler", "delay", "disposer", "echo", "filter", "infowriter", "jobmgr",
                 "locallogger", "proxy", "tailwriter", "taskrouter"):  # fmt: skip
        long = "cc.handler.database" if word == "dbhandler" else f"cc.handler.{word}"
        assert plain_word(word) == plain_word(long)


def test_an_entry_point_may_name_a_module():
    plugins = Plugins([point("echo", "ccproxy_handlers.echo")])
    assert plugins.handler("echo").__name__ == "Echo"


def test_a_drop_in_file_provides_the_word_of_its_name(folder):
    where = folder("hello.py", HELLO)
    found = Plugins([]).handler("hello", (where,))
    assert (found.__name__, found.__mro__[1]) == ("Hello", Handler)


def test_a_drop_in_can_have_option_tables_with_postponed_annotations(folder):
    where = folder(
        "hello.py",
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from ccproxy import Handler, kinds, option\n"
        "class Hello(Handler):\n"
        "    @dataclass(frozen=True, slots=True)\n"
        "    class Options:\n"
        "        greeting: str = option(kinds.text, default='hi', help='what to say')\n",
    )
    assert Plugins([]).handler("hello", (where,)).Options().greeting == "hi"


def test_nothing_is_imported_before_it_is_asked_for(folder):
    folder("hello.py", HELLO)
    where = folder("broken.py", "raise RuntimeError('imported')")
    plugins = Plugins([point("gone", "no_such_module_at_all:Gone")])
    assert plugins.words(HANDLER, (where,)) == ["broken", "gone", "hello"]
    assert issubclass(plugins.handler("hello", (where,)), Handler)


def test_the_same_file_gives_the_same_class_and_a_changed_one_a_new_one(folder, tmp_path):
    where = folder("hello.py", HELLO)
    plugins = Plugins([])
    first = plugins.handler("hello", (where,))
    assert plugins.handler("hello", (where,)) is first
    folder("hello.py", HELLO.replace("Says", "Sings"))
    os.utime(tmp_path / "plugins" / "hello.py", ns=(1, 1))
    second = plugins.handler("hello", (where,))
    assert second is not first
    assert second.__doc__ == "Sings hello."


def test_unknown_words_hint():
    plugins = Plugins([point("proxy", "ccproxy_handlers.proxy:Proxy")])
    assert problem_of(plugins.handler("porxy")) == 'no handler "porxy"; did you mean "proxy"?'
    assert problem_of(plugins.handler("zebra")) == 'no handler "zebra"; known: proxy'


@pytest.mark.parametrize("word", ["", "..", "../plugins/hello", "hello.py", "_private", "a\nb"])
def test_words_are_no_paths(folder, word):
    folder("hello.py", HELLO)
    where = folder("_private.py", HELLO)
    assert problem_of(Plugins([]).handler(word, (where,))).startswith("no handler")


def test_a_word_found_twice_is_a_problem_and_no_winner(folder, tmp_path):
    where = folder("echo.py", HELLO)
    plugins = Plugins([point("echo", "ccproxy_handlers.echo:Echo")])
    text = problem_of(plugins.handler("echo", (where,)))
    assert text == (
        'handler "echo" is there more than once: ccproxy_handlers.echo:Echo and '
        f"{where}/echo.py; remove or rename all but one"
    )
    assert issubclass(plugins.handler("echo"), Handler)
    other = tmp_path / "other"
    other.mkdir()
    (other / "hello.py").write_text(HELLO)
    folder("hello.py", HELLO)
    text = problem_of(plugins.handler("hello", (where, str(other))))
    assert f"{where}/hello.py and {other}/hello.py" in text


def test_one_place_named_twice_is_one_place(folder):
    where = folder("hello.py", HELLO)
    points = [point("echo", "ccproxy_handlers.echo:Echo")] * 2
    plugins = Plugins(points)
    assert issubclass(plugins.handler("hello", (where, where)), Handler)
    assert issubclass(plugins.handler("echo"), Handler)


def test_a_folder_that_is_missing_has_no_plugins(tmp_path):
    assert (
        problem_of(Plugins([]).handler("hello", (str(tmp_path / "no"),)))
        == 'no handler "hello"; known: none'
    )


BROKEN = {
    "raises": ("x = 1\nraise RuntimeError('boom\\nbang')\n", ":2: RuntimeError: boom"),
    "syntax": ("x = 1\n\ndef f(:\n    pass\n", ":3: SyntaxError: invalid syntax"),
    "name": ("def f():\n    return nosuch\n\nf()\n", ":2: NameError: name 'nosuch'"),
    "exits": ("import sys\nsys.exit(3)\n", ":2: SystemExit: 3"),
    "bare": ("raise BaseException('x')\n", ":1: BaseException: x"),
    "cancels": ("import asyncio\nraise asyncio.CancelledError('x')\n", ":2: CancelledError: x"),
    "deeper": ("import json\njson.loads('{')\n", ":2: JSONDecodeError: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_names_its_line(folder, name):
    text, expected = BROKEN[name]
    where = folder(f"{name}.py", text)
    folder("hello.py", HELLO)
    plugins = Plugins([])
    found = problem_of(plugins.handler(name, (where,)))
    assert found.startswith(f'handler "{name}" cannot be loaded: {where}/{name}.py{expected}')
    assert "\n" not in found
    assert issubclass(plugins.handler("hello", (where,)), Handler)
    assert not [module for module in sys.modules if module.startswith(f"ccproxy_plugin_{name}_")]


def test_the_interrupt_of_an_operator_ends_an_import(folder):
    where = folder("slow.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        Plugins([]).handler("slow", (where,))


def test_what_a_plugin_needs_is_named(folder):
    where = folder("needs.py", "import ccproxy_no_such_thing\n")
    text = problem_of(Plugins([]).handler("needs", (where,)))
    assert text.endswith("install what provides the module ccproxy_no_such_thing")


def test_a_broken_entry_point_names_its_line(tmp_path, monkeypatch, folder):
    (tmp_path / "drop_in_broken.py").write_text("import json\n\njson.nosuch\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = problem_of(Plugins([point("x", "drop_in_broken:X")]).handler("x"))
    assert f'handler "x" cannot be loaded: {tmp_path}/drop_in_broken.py:3: AttributeError' in text


def test_an_entry_point_to_nowhere_names_itself():
    text = problem_of(Plugins([point("x", "ccproxy_no_such_thing:X")]).handler("x"))
    assert text.startswith('handler "x" cannot be loaded: ccproxy_no_such_thing:X: ModuleNotFound')
    text = problem_of(Plugins([point("x", "json:Nosuch")]).handler("x"))
    assert text.startswith('handler "x" cannot be loaded: json:Nosuch: AttributeError')


UNFIT = {
    "waits": (
        HELLO + "    async def handle(self, message): pass\n",
        'waits.py for handler "waits": handle is `async def`, expected `def`',
    ),
    "yields": (
        HELLO + "    async def status(self):\n        yield\n",
        "status is `async def`, expected `def`",
    ),
    "decides": (HELLO + "    async def decide(self, type): pass\n", "decide is `async def`"),
    "none": ("x = 1\n", 'should provide one Handler class for "none", found none'),
    "imported": ("from ccproxy_handlers.echo import Echo\n", "found none"),
    "two": (HELLO + "class Other(Handler): pass\n", "found Hello, Other"),
    "plain": (
        HELLO + "    from dataclasses import dataclass\n    @dataclass\n    class Options:\n"
        "        x: int = 0\n",
        "a field of Options is not declared with option(...)",
    ),
    "nodata": (HELLO + "    class Options: pass\n", "Options is no dataclass"),
    "twice": (
        "from dataclasses import dataclass\nfrom ccproxy import Handler, kinds, option\n"
        "@dataclass\nclass Options:\n    a: int = option(kinds.integer, default=0, help='')\n"
        "    b: int = option(kinds.integer, default=0, help='', name='a')\n"
        "    handler: int = option(kinds.integer, default=0, help='')\n"
        "class Two(Handler):\n    Options = Options\n",
        "option name taken twice: a, handler",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_no_handler_is_a_problem(folder, name):
    text, expected = UNFIT[name]
    where = folder(f"{name}.py", text)
    assert expected in problem_of(Plugins([]).handler(name, (where,)))


@pytest.mark.parametrize("value", ["json:loads", "json:JSONDecoder", "string:digits"])
def test_what_is_no_handler_class_is_a_problem(value):
    text = problem_of(Plugins([point("x", value)]).handler("x"))
    assert text == f'{value} for handler "x" is no subclass of ccproxy.Handler'


HOOKED = """from ccproxy import Handler
from ccproxy.hookspecs import hookimpl


class One(Handler):
    pass


class Two(Handler):
    pass


@hookimpl
def ccproxy_handler(word):
    return {"one": One, "two": Two, "list": [One, Two]}.get(word)
"""


def test_a_module_with_the_hook_can_provide_several_words(folder):
    folder("one.py", HOOKED)
    folder("two.py", HOOKED)
    folder("list.py", HOOKED)
    where = folder("three.py", HOOKED)
    plugins = Plugins([])
    assert plugins.handler("one", (where,)).__name__ == "One"
    assert plugins.handler("two", (where,)).__name__ == "Two"
    assert "found none" in problem_of(plugins.handler("three", (where,)))
    assert "is no subclass" in problem_of(plugins.handler("list", (where,)))


def test_a_misspelled_hook_is_named(folder):
    where = folder("one.py", HOOKED.replace("def ccproxy_handler", "def ccproxy_handlr"))
    assert "unknown hook 'ccproxy_handlr'" in problem_of(Plugins([]).handler("one", (where,)))


def test_the_installed_plugins_are_the_default():
    assert isinstance(Plugins().words(HANDLER), list)


def test_the_example_plugin_is_found():
    where = str(Path(__file__).parents[1] / "contrib" / "plugins")
    assert issubclass(Plugins([]).handler("hello", (where,)), Handler)


def test_a_file_of_another_kind_is_no_second_plugin(tmp_path):
    """A drop-in handler may have the word of a protocol; a broken file may hold anything."""
    handler = "from ccproxy import Handler\n\n\nclass Mine(Handler):\n    pass\n"
    (tmp_path / "cc.py").write_text(handler)
    plugins = Plugins()
    assert plugins.protocol("cc", (str(tmp_path),)).__name__ == "CcProtocol"
    assert plugins.handler("cc", (str(tmp_path),)).__name__ == "Mine"
    (tmp_path / "http.py").write_text("raise SystemExit\n")
    assert "more than once" in problem_of(plugins.protocol("http", (str(tmp_path),)))


def test_a_change_within_a_second_that_keeps_the_size_is_seen(folder, tmp_path):
    where = folder("quick.py", HELLO.replace("Hello", "First"))
    file = Path(where) / "quick.py"
    os.utime(file, ns=(0, 10**18))
    plugins = Plugins([])
    assert plugins.handler("quick", (where,)).__name__ == "First"
    file.write_text(HELLO.replace("Hello", "Later"), "utf-8")
    os.utime(file, ns=(0, 10**18 + 1))
    assert plugins.handler("quick", (where,)).__name__ == "Later"
    assert not list(Path(where).glob("__pycache__"))
