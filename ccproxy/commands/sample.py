"""The sample configuration of `ccserver --ini`: every option of the server, with its help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.options import Option, options_of
from ccproxy.config.server import ServerOptions

ADDRESS = "tcp://127.0.0.1:22632"

HEAD = """\
# A configuration of ccserver. An option behind `;` is not set; the value is its default.
[ccserver]
"""

TAIL = """
# message type = handler sections; a route matches its type and everything below it, * every type
[routes]
echo = h:echo

# answers echo.request
[h:echo]
handler = cc.handler.echo
"""


def sample(overrides: Mapping[str, str]) -> str:
    """The text of the sample; `overrides` are options of `[ccserver]` to set in it."""
    return HEAD + "\n".join(_lines({"cc-socket": ADDRESS, **overrides})) + "\n" + TAIL


def _lines(given: Mapping[str, str]) -> Iterator[str]:
    inherited = {one.name for one in options_of(ZmtpListenerOptions)}
    known = [one for one in options_of(ServerOptions) if not one.ignored]
    known.sort(key=lambda one: one.name in inherited)  # the options of the server first
    for one in known:
        if one.name in given:
            yield f"\n# {one.help}\n{one.name} = {given[one.name]}"
        elif one.help != "not supported yet":
            yield f"\n# {one.help}\n;{one.name} = {_default(one)}".rstrip()
    for name in sorted(given.keys() - {one.name for one in known}):
        yield f"\n{name} = {given[name]}"


def _default(one: Option) -> str:
    """The default as an INI writes it."""
    return "" if one.default is None else one.kind.show(one.default)
