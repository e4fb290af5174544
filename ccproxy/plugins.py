"""Finds the class for a word: handlers, protocols and verbs, built-in or of other packages.

A word is looked for among the entry points of its kind's group and in the drop-in folders
(`hello.py` provides `hello`, as any kind whose class it holds). Only what is asked for is imported.
This module must never pick one of two plugins with the same word, nor let a broken one harm
another.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from ccproxy import hookspecs
from ccproxy.config.links import ListenerOptions
from ccproxy.config.options import options_of
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import suggest
from ccproxy.core.plugin_code import interrupted
from ccproxy.handler import Handler
from ccproxy.protocol import MessageProtocol
from ccproxy.verb import Verb

OLD_PREFIX = "cc.handler."
OLD_NAMES = {"dbhandler": "database"}
"""Short names of the original that are not the name of the handler."""


def plain_word(word: str) -> str:
    """The word as plugins register it: `cc.handler.echo` and `echo` are the same."""
    word = word.removeprefix(OLD_PREFIX)
    return OLD_NAMES.get(word, word)


Base = TypeVar("Base")


@dataclass(frozen=True, slots=True)
class PluginKind(Generic[Base]):
    """One kind of plugin: its name for people, where it is found, what its classes inherit from.

    `check` names what is wrong with a class, "" if nothing is.
    """

    name: str
    group: str
    hook: str
    base: type[Base]
    check: Callable[[Any], str]
    plain: Callable[[str], str] = str
    """The word as plugins register it, of a word of the INI."""


def _bad_options(base: type, taken: frozenset[str]) -> Callable[[Any], str]:
    """Whether the option table of a class can be read, inherits from `base`, and has names of its
    own beside those `taken` by the kernel."""

    def check(found: Any) -> str:
        table = found.Options
        if not (inspect.isclass(table) and is_dataclass(table)):
            return "Options is no dataclass; decorate it with @dataclass"
        if not issubclass(table, base):
            return f"Options does not inherit from {base.__name__}"
        try:
            names = [name for one in options_of(table) for name in (one.name, *one.aliases)]
        except KeyError:
            return "a field of Options is not declared with option(...)"
        twice = {name for name in names if names.count(name) > 1} | ({*taken} & {*names})
        return f"option name taken twice: {', '.join(sorted(twice))}" if twice else ""

    return check


def _waits(found: type[Handler]) -> str:
    """Whether a method that must answer at once is `async def`."""
    for name in ("check", "decide", "handle", "reloaded", "status"):
        call = inspect.unwrap(getattr(found, name))
        if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
            return (
                f"{name} is `async def`, expected `def`: it must answer at once; "
                "work that waits goes to ctx.task or ctx.run_blocking"
            )
    return ""


def _bad_handler(found: type[Handler]) -> str:
    bad_options = _bad_options(object, frozenset({"handler", "plugin"}))
    return bad_options(found) or _waits(found)


HANDLER = PluginKind(
    "handler", "ccproxy.handlers", "ccproxy_handler", Handler, _bad_handler, plain_word
)
PROTOCOL = PluginKind(
    "protocol", "ccproxy.protocols", "ccproxy_protocol", MessageProtocol,
    _bad_options(ListenerOptions, frozenset({"protocol", "address"})),
)  # fmt: skip
VERB = PluginKind("verb", "ccproxy.verbs", "ccproxy_verb", Verb, lambda found: "")


@dataclass(frozen=True, slots=True)
class Source:
    """One place that provides a word: an entry point, or a file in a drop-in folder."""

    word: str
    entry_point: EntryPoint | None = None
    file: Path | None = None

    @property
    def place(self) -> str:
        """For messages. To name the package is to parse its metadata, 0.2 ms for each word."""
        point = self.entry_point
        if point is None:
            return str(self.file)
        return f"{point.value} of {point.dist.name}" if point.dist else point.value


class Plugins:
    """All plugins that can be asked for; each is imported once, when it is first asked for."""

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        """`installed` are the entry points to know; None: those of the Python that runs."""
        self._given = None if installed is None else tuple(installed)
        self._found: Any = None  # what `entry_points` returns; its class depends on the Python
        self._installed: dict[str, tuple[Source, ...]] = {}
        self._files: dict[Path, tuple[int, ModuleType]] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def handler(self, word: str, folders: tuple[str, ...] = ()) -> type[Handler] | Problem:
        """The class for `handler = WORD`; a Problem without file and line if there is none."""
        return self.find(HANDLER, word, folders)

    def protocol(self, word: str, folders: tuple[str, ...] = ()) -> type[MessageProtocol] | Problem:
        """The class for `protocol = WORD`."""
        return self.find(PROTOCOL, word, folders)

    def protocol_by(self, word: str, folders: tuple[str, ...] = ()) -> MessageProtocol:
        """An instance of a protocol; ValueError if there is none."""
        found = self.protocol(word, folders)
        if isinstance(found, Problem):
            raise ValueError("; ".join(filter(None, (found.what, found.hint))))
        return found(word)

    def verb(self, word: str, folders: tuple[str, ...] = ()) -> type[Verb] | Problem:
        """The class for `ccserver WORD`."""
        return self.find(VERB, word, folders)

    def handlers(self) -> list[str]:
        """Every word that names a handler of an installed package."""
        return self.words(HANDLER)

    def protocols(self, folders: tuple[str, ...] = ()) -> list[str]:
        """Every word that names a protocol, or a drop-in file that may hold one."""
        return self.words(PROTOCOL, folders)

    def words(self, kind: PluginKind[Any], folders: Iterable[str] = ()) -> list[str]:
        """Every word there is of a kind, without importing anything; of drop-in files all."""
        return sorted({source.word for source in self._sources(kind, folders)})

    def find(
        self, kind: PluginKind[Base], word: str, folders: tuple[str, ...] = ()
    ) -> type[Base] | Problem:
        """The class of a kind for a word, or a Problem."""
        sources = list(self._sources(kind, folders))
        found = [source for source in sources if source.word == kind.plain(word)]
        if not found:
            words = sorted({source.word for source in sources})
            hint = suggest(kind.plain(word), words) or f"known: {', '.join(words) or 'none'}"
            return Problem("", 0, f'no {kind.name} "{" ".join(word.split())}"', hint)
        if len(found) > 1:
            found = [one for one in found if one.file is None or self._offers(kind, one)] or found
        if len(found) > 1:
            places = " and ".join(source.place for source in found)
            what = f'{kind.name} "{word}" is there more than once: {places}'
            return Problem("", 0, what, "remove or rename all but one")
        return self._load(kind, found[0])

    def _sources(self, kind: PluginKind[Any], folders: Iterable[str]) -> Iterator[Source]:
        if kind.group not in self._installed:
            self._installed[kind.group] = tuple(_installed(kind, self._points(kind.group)))
        yield from self._installed[kind.group]
        for folder in dict.fromkeys(map(Path, folders)):
            for file in sorted(folder.glob("[!_]*.py")):
                yield Source(file.stem, file=file)

    def _points(self, group: str) -> Iterable[EntryPoint]:
        """The entry points to know, at least those of a group. To look for them is to read a file
        of each package that is installed, 5 ms here, so it is done once for all kinds."""
        if self._given is not None:
            return self._given
        if self._found is None:
            self._found = entry_points()
        return self._found.select(group=group)  # type: ignore[no-any-return]

    def _offers(self, kind: PluginKind[Any], source: Source) -> bool:
        """False for a drop-in file that holds no class of this kind: the same word of another kind
        is no second plugin. A file that cannot be imported may hold anything."""
        try:
            return any(True for _ in self._classes(kind, source))
        except BaseException as error:
            if interrupted(error):
                raise
            return True

    def _load(self, kind: PluginKind[Base], source: Source) -> type[Base] | Problem:
        try:
            found = list(self._classes(kind, source))
        except BaseException as error:  # a plugin may raise anything when it is imported
            if interrupted(error):
                raise
            return _broken(kind, source, error)
        if len(found) != 1:
            names = ", ".join(getattr(one, "__name__", repr(one)) for one in found) or "none"
            wanted = f'one {kind.base.__name__} class for "{source.word}"'
            what = f"{source.place} should provide {wanted}, found {names}"
            return Problem("", 0, what, f"see the hook {kind.hook}")
        if wrong := _wrong(kind, found[0]):
            return Problem("", 0, f'{source.place} for {kind.name} "{source.word}"{wrong}')
        return found[0]  # type: ignore[no-any-return]

    def _classes(self, kind: PluginKind[Any], source: Source) -> Iterator[Any]:
        """The classes a plugin offers for its word: itself, its hooks' answers, or its own."""
        loaded = self._import(source)
        if not isinstance(loaded, ModuleType):
            yield loaded
            return
        if self._register(loaded):
            others = [one for one in self._manager.get_plugins() if one is not loaded]
            hook = self._manager.subset_hook_caller(kind.hook, others)
            yield from hook(word=source.word)
            return
        for value in vars(loaded).values():
            own = inspect.isclass(value) and value.__module__ == loaded.__name__
            if own and issubclass(value, kind.base):
                yield value

    def _register(self, module: ModuleType) -> list[pluggy.HookCaller]:
        """The hooks that a module implements."""
        if not self._manager.is_registered(module):
            self._manager.register(module)
            self._manager.check_pending()
        return self._manager.get_hookcallers(module) or []

    def _import(self, source: Source) -> Any:
        if source.file is None:
            assert source.entry_point is not None
            return source.entry_point.load()
        file, changed = source.file.resolve(), source.file.stat().st_mtime_ns
        known = self._files.get(file)
        if known is not None and known[0] == changed:
            return known[1]
        if known is not None and self._manager.is_registered(known[1]):
            self._manager.unregister(known[1])
        module = _import_file(source.file)  # a changed file is imported anew, for reload
        self._files[file] = changed, module
        return module


def _wrong(kind: PluginKind[Any], found: Any) -> str:
    """What makes this no plugin of a kind, as the end of a sentence; "" if it is one."""
    if not (inspect.isclass(found) and issubclass(found, kind.base)):
        return f" is no subclass of ccproxy.{kind.base.__name__}"
    wrong = kind.check(found)
    return f": {wrong}" if wrong else ""


def _installed(kind: PluginKind[Any], points: Iterable[EntryPoint]) -> Iterator[Source]:
    seen: set[tuple[str, str]] = set()
    for point in points:
        # One package may be found on two paths.
        if point.group != kind.group or (point.name, point.value) in seen:
            continue
        seen.add((point.name, point.value))
        yield Source(point.name, entry_point=point)


def _import_file(file: Path) -> ModuleType:
    """Import a file under a name of its own; a cache of bytecode would hide a quick change."""
    mark = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    name = f"ccproxy_plugin_{file.stem}_{mark}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(file.read_bytes(), file, "exec", dont_inherit=True), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _broken(kind: PluginKind[Any], source: Source, error: BaseException) -> Problem:
    place = _place(source, error)
    text = str(error).partition("\n")[0]
    what = f'{kind.name} "{source.word}" cannot be loaded: {place}: {type(error).__name__}: {text}'
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return Problem("", 0, what, f"install what provides the module {missing}" if missing else "")


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
