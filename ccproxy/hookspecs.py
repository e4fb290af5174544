"""The hooks of ccproxy on one page, for plugins that are modules.

A module that holds one class of a kind needs none of them. This module must never call a hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ccproxy.handler import Handler
    from ccproxy.protocol import MessageProtocol
    from ccproxy.verb import Verb

PROJECT = "ccproxy"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ccproxy_handler(word: str) -> type[Handler] | None:
    """The Handler class for `handler = WORD` in the INI; None if this module has no such word."""


@hookspec
def ccproxy_protocol(word: str) -> type[MessageProtocol] | None:
    """The MessageProtocol class for `protocol = WORD`; None if this module has no such word."""


@hookspec
def ccproxy_verb(word: str) -> type[Verb] | None:
    """The Verb class for `ccserver WORD`; None if this module has no such word."""


__all__ = [
    "PROJECT", "ccproxy_handler", "ccproxy_protocol", "ccproxy_verb", "hookimpl", "hookspec",
]  # fmt: skip
