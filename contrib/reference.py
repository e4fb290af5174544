#!/usr/bin/env python3
"""Prints the generated parts of the documentation: options and fates, from where they are declared.

    python contrib/reference.py            print them
    python contrib/reference.py --write    put them into docs/config.md and docs/mesh.md

A test fails when one of these pages says something else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

from ccproxy import Handler, LinkOptions, Problem
from ccproxy.config.allow import AllowOptions
from ccproxy.config.links import ListenerOptions, SocketOptions, ZmtpListenerOptions
from ccproxy.config.options import Option, options_of
from ccproxy.config.server import ListenSection, ServerOptions
from ccproxy.core.ledger import FATES
from ccproxy.plugins import HANDLER, PROTOCOL, Plugins
from ccproxy_handlers.ssmmp.graphfile import AppOptions, ServiceOptions
from ccproxy_handlers.ssmmp.repository import ProgramOptions

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN = "<!-- reference: begin, made by contrib/reference.py -->"
END = "<!-- reference: end -->"
REFUSED = "not supported yet"
"""The help of options that are refused."""


def configuration() -> str:
    """The options of a server's configuration and the fates, as Markdown."""
    parts = [
        *table("### `[ccserver]`", own(ServerOptions, ZmtpListenerOptions)),
        *table("### `[listen:NAME]`", options_of(ListenSection)),
        *table(
            "### Listeners: `[ccserver]` and `[listen:NAME]`", own(ListenerOptions, SocketOptions)
        ),
        *protocols(),
        *table("### `[allow:NAME]`", options_of(AllowOptions)),
        *table("### Links: handlers that connect to somewhere", own(LinkOptions, SocketOptions)),
        *table("### Connections: listeners and links", options_of(SocketOptions)),
        *handlers(),
        *fates(),
    ]
    return "\n".join(parts).strip() + "\n"


def mesh() -> str:
    """The options of graph and repository files, as Markdown."""
    parts = [
        *table("### Graph: `[app]`", options_of(AppOptions)),
        *table("### Graph: `[service NAME]`", options_of(ServiceOptions)),
        *table("### Repository: `[program NAME]`", options_of(ProgramOptions)),
    ]
    return "\n".join(parts).strip() + "\n"


PAGES: dict[str, Callable[[], str]] = {"config.md": configuration, "mesh.md": mesh}
"""Page -> what makes its generated part."""


def own(declared: type, base: type) -> list[Option]:
    """The options a table adds to the one it inherits from, and those with another default."""
    inherited = {(one.name, one.default) for one in options_of(base)}
    return [one for one in options_of(declared) if (one.name, one.default) not in inherited]


def table(title: str, options: Iterable[Option]) -> Iterator[str]:
    """A title and a row for each option."""
    listed = list(options)
    yield title + "\n"
    yield from ("| option | default | meaning |", "|---|---|---|")
    refused = [one for one in listed if one.help == REFUSED]
    ignored = [one for one in listed if one.ignored]
    yield from (row(one) for one in listed if one not in refused and one not in ignored)
    if ignored:
        yield f"\nAccepted without effect, said once at start: {names(ignored)}."
    if refused:
        yield f"\nRefused, {REFUSED}: {names(refused)}."
    yield ""


def names(options: Iterable[Option]) -> str:
    """The names of options, separated by commas."""
    return ", ".join(f"`{one.name}`" for one in options)


def row(one: Option) -> str:
    """One option."""
    called = " ".join(f"`{name}`" for name in (one.name, *one.aliases))
    later = "" if one.reloadable else " (a change needs a restart)"
    meaning = f"{one.help}{later}".replace("|", "\\|")
    return f"| {called} | {default(one)} | {meaning} |"


def default(one: Option) -> str:
    """The default as an INI writes it."""
    if one.required:
        return "required"
    shown = "" if one.default is None else one.kind.show(one.default)
    return f"`{shown}`" if shown else ""


def handlers() -> Iterator[str]:
    """A table for each handler; the options of links are not repeated."""
    points = entry_points(group="ccproxy.handlers")
    plugins = Plugins(one for one in points if one.module.startswith("ccproxy_handlers."))
    for word in plugins.words(HANDLER):
        found = plugins.handler(word)
        assert isinstance(found, type) and issubclass(found, Handler), found
        about = (found.__doc__ or "").partition("\n")[0]
        link = issubclass(found.Options, LinkOptions)
        options = own(found.Options, LinkOptions) if link else list(options_of(found.Options))
        title = f"### `handler = {word}`\n\n{about}" + (
            " Has the options of links." if link else ""
        )
        if options:
            yield from table(title, options)
        else:
            yield f"{title} No options.\n"


def protocols() -> Iterator[str]:
    """A table for each protocol; the options of all listeners are not repeated."""
    points = entry_points(group=PROTOCOL.group)
    plugins = Plugins(one for one in points if one.module.startswith("ccproxy.protocols."))
    for word in plugins.words(PROTOCOL):
        found = plugins.protocol(word)
        assert not isinstance(found, Problem), found
        options = own(found.Options, ListenerOptions)
        title = f"### `protocol = {word}`\n\n{found.about[0].upper()}{found.about[1:]}."
        if options:
            yield from table(title, options)
        else:
            yield f"{title} No further options.\n"


def fates() -> Iterator[str]:
    """How a message can end."""
    yield "### Fates\n\nEach received message ends in exactly one; the last line of the log says"
    yield "how many in which.\n"
    yield from ("| fate | meaning |", "|---|---|")
    yield from (f"| `{fate}` | {meaning} |" for fate, meaning in FATES.items())


def written(page: str) -> str:
    """A page with its generated part made anew; ValueError if it has no place for one."""
    head, begin, rest = (DOCS / page).read_text("utf-8").partition(BEGIN)
    if not begin or END not in rest:
        raise ValueError(f"no marks {BEGIN} ... {END} in {page}")
    return f"{head}{BEGIN}\n{PAGES[page]()}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put them into the pages")
    if not parser.parse_args().write:
        print("\n".join(make() for make in PAGES.values()), end="")
        return
    for page in PAGES:
        (DOCS / page).write_text(written(page), "utf-8")


if __name__ == "__main__":
    main()
