"""Finds the handler class for the word the INI asks for; built-in ones come in like strangers'.

A word is looked for among the entry points of the group `ccproxy.handlers` and in the drop-in
folders (`hello.py` provides `hello`). Only what is asked for is imported. This module must never
pick one of two plugins with the same word, nor let a broken one harm another.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ccproxy import hookspecs
from ccproxy.config.options import options_of
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import suggest
from ccproxy.handler import Handler

GROUP = "ccproxy.handlers"
"""The entry-point group; the name of an entry point is the word in the INI."""

OLD_PREFIX = "cc.handler."
OLD_NAMES = {"dbhandler": "database"}
"""Short names of the original that are not the name of the handler."""


def plain_word(word: str) -> str:
    """The word as plugins register it: `cc.handler.echo` and `echo` are the same."""
    word = word.removeprefix(OLD_PREFIX)
    return OLD_NAMES.get(word, word)


@dataclass(frozen=True, slots=True)
class Source:
    """One place that provides a word: an entry point, or a file in a drop-in folder."""

    word: str
    place: str
    entry_point: EntryPoint | None = None
    file: Path | None = None


class Plugins:
    """All plugins that can be asked for; each is imported once, when it is first asked for."""

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        points = entry_points(group=GROUP) if installed is None else installed
        self._installed = tuple(_installed(points))
        self._loaded: dict[tuple[str, int], Any] = {}

    def words(self, folders: Iterable[str] = ()) -> list[str]:
        """Every word there is, without importing anything."""
        return sorted({source.word for source in self._sources(folders)})

    def find(self, word: str, folders: tuple[str, ...] = ()) -> type[Handler] | Problem:
        """The class for a word of the INI; a Problem without file and line if there is none."""
        sources = list(self._sources(folders))
        found = [source for source in sources if source.word == plain_word(word)]
        if not found:
            hint = suggest(plain_word(word), {source.word for source in sources})
            return Problem("", 0, f'no handler "{" ".join(word.split())}"', hint)
        if len(found) > 1:
            places = " and ".join(source.place for source in found)
            what = f'handler "{word}" is there more than once: {places}'
            return Problem("", 0, what, "remove or rename all but one")
        return self._load(found[0])

    def _sources(self, folders: Iterable[str]) -> Iterator[Source]:
        yield from self._installed
        for folder in dict.fromkeys(map(Path, folders)):
            for file in sorted(folder.glob("[!_]*.py")):
                yield Source(file.stem, str(file), file=file)

    def _load(self, source: Source) -> type[Handler] | Problem:
        try:
            loaded = self._import(source)
            return self._handler(source, loaded)
        except (Exception, SystemExit) as error:  # a plugin may do anything when it is imported
            return _broken(source, error)

    def _import(self, source: Source) -> Any:
        if source.file is None:
            assert source.entry_point is not None
            return source.entry_point.load()
        key = str(source.file.resolve()), source.file.stat().st_mtime_ns
        if key not in self._loaded:  # a changed file is imported anew, for reload
            self._loaded[key] = _import_file(source.file)
        return self._loaded[key]

    def _handler(self, source: Source, loaded: Any) -> type[Handler] | Problem:
        found = list(_classes(source.word, loaded))
        if len(found) != 1:
            names = ", ".join(getattr(one, "__name__", repr(one)) for one in found) or "none"
            what = f'{source.place} should provide one Handler class for "{source.word}"'
            return Problem("", 0, f"{what}, found {names}", "see the hook ccproxy_handler")
        return _checked(source, found[0])


def _installed(points: Iterable[EntryPoint]) -> Iterator[Source]:
    seen: set[tuple[str, str]] = set()
    for point in points:
        if (point.name, point.value) in seen:  # one package, found on two paths
            continue
        seen.add((point.name, point.value))
        package = f" of {point.dist.name}" if point.dist else ""
        yield Source(point.name, f"{point.value}{package}", entry_point=point)


def _import_file(file: Path) -> ModuleType:
    """Import a file under a name of its own, which dataclasses need to find it by."""
    mark = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    name = f"ccproxy_plugin_{file.stem}_{mark}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _classes(word: str, loaded: Any) -> Iterator[Any]:
    """The classes a loaded thing offers for a word: itself, its hooks' answers, or its own."""
    if not isinstance(loaded, ModuleType):
        yield loaded
        return
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(loaded)
    manager.check_pending()
    if manager.get_hookcallers(loaded):
        yield from manager.hook.ccproxy_handler(word=word)
        return
    for value in vars(loaded).values():
        own = inspect.isclass(value) and value.__module__ == loaded.__name__
        if own and issubclass(value, Handler):
            yield value


def _checked(source: Source, found: Any) -> type[Handler] | Problem:
    """A class whose option table can be read."""
    what = f'{source.place} for handler "{source.word}"'
    if not (inspect.isclass(found) and issubclass(found, Handler)):
        return Problem("", 0, f"{what} is no subclass of ccproxy.Handler")
    table = found.Options
    if not (inspect.isclass(table) and is_dataclass(table)):
        return Problem("", 0, f"{what}: Options is no dataclass", "decorate it with @dataclass")
    try:
        names = [name for one in options_of(table) for name in (one.name, *one.aliases)]
    except KeyError:
        return Problem("", 0, f"{what}: a field of Options is not declared with option(...)")
    twice = {name for name in names if names.count(name) > 1} | ({"handler", "plugin"} & {*names})
    if twice:
        return Problem("", 0, f"{what}: option name taken twice: {', '.join(sorted(twice))}")
    return found


def _broken(source: Source, error: BaseException) -> Problem:
    place = _place(source, error)
    text = str(error).partition("\n")[0]
    what = f'handler "{source.word}" cannot be loaded: {place}: {type(error).__name__}: {text}'
    hint = ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install what provides the module {error.name}"
    return Problem("", 0, what, hint)


def _place(source: Source, error: BaseException) -> str:
    """The line it broke at: the last one of the drop-in file, or of what was installed."""
    frames = [(one.filename, one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    if source.file is not None:
        file = source.file.resolve()
        lines = [line for name, line in frames if Path(name).resolve() == file]
        return f"{source.place}:{lines[-1]}" if lines else source.place
    ours = (__file__, importlib.metadata.__file__, importlib.__file__)
    frames = [one for one in frames if one[0] not in ours and not one[0].startswith("<")]
    return "{}:{}".format(*frames[-1]) if frames else source.place
