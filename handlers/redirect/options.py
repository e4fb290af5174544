"""The options of a `redirect` section, and the table `NAME => SECTION` that two of them are.

It must never look at other sections; that is `Redirect.check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ccproxy import kinds, option
from ccproxy.config import tls
from ccproxy.config.options import shared
from ccproxy.config.tls import SecureLinkOptions, ServiceTls, ServiceTlsOptions
from ccproxy.protocols.jolie.style import BASE64, FORMATS, CallStyle, numbers, raw, types_file
from ccproxy.protocols.jolie.xml.types import Types, TypesFile

from .destination import resource_name
from .location import Location
from .target import MODES, ConnectionLimits, Mode


@dataclass(frozen=True, slots=True)
class SectionTable:
    """Pairs of a name and the section that serves it; iterates over the sections."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(section for _, section in self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    def __str__(self) -> str:
        return ", ".join(f"{name} => {section}" for name, section in self.pairs)


def _table(text: str) -> SectionTable:
    pairs = dict(map(_pair, (one for one in text.replace("\n", ",").split(",") if one.strip())))
    if len(pairs) < text.count("=>"):
        raise kinds.wrong(text, "each name once")
    return SectionTable(tuple(pairs.items()))


def _pair(text: str) -> tuple[str, str]:
    name, arrow, section = text.partition("=>")
    try:
        if arrow and section.strip():
            return resource_name(name), section.strip()
    except ValueError:
        pass
    raise kinds.wrong(text, "NAME => SECTION, such as Sum => h:sum or A/B => h:inner")


SECTION_TABLE = replace(kinds.sections, name="list of NAME => SECTION", parse=_table, show=str)


SPOKEN = {"http": ("http", "jsonrpc", "soap"), "https": ("https", "jsonrpcs", "soaps")}
"""Scheme of a location -> the protocols that a service there may speak."""
UNBOUNDED = 1 << 62
"""Bytes that may wait on one connection: the calls in flight are limited instead, and a single call
may be larger than any limit here."""
MAX_SLOW_CONNECTIONS = 8
"""Shared connections to a service that takes long, where the INI leaves it open."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where calls go, how, and from which listeners they may be relocated."""

    location: Location | None = option(
        kinds.checked("location", Location.parse), default=None,
        help="where the service is: socket://HOST:PORT[/PATH][/!/RESOURCE] or localsocket:/PATH",
    )  # fmt: skip
    protocol: str = option(
        kinds.protocol, default="sodep",
        help="what the service speaks there: sodep, http, jsonrpc, soap, the same with s behind it "
        "for TLS, or a plugin",
    )  # fmt: skip
    format: str = option(
        kinds.choice(*FORMATS), default="auto",
        help="bodies of protocol http: JSON until the service refuses it, always JSON, always XML",
    )  # fmt: skip
    types: TypesFile | None = types_file()
    numbers: str = numbers()
    raw: str = raw()
    namespace: str = option(
        kinds.text, default="", help="namespace of the service's operations, in protocol soap"
    )
    redirects: SectionTable = option(
        SECTION_TABLE,
        default=SectionTable(),
        help="resource name, or A/B, and the redirect section that serves it",
    )
    operations: SectionTable = option(
        SECTION_TABLE,
        default=SectionTable(),
        help="operation on the path / and the redirect section that serves it",
    )
    couriers: tuple[str, ...] = option(
        kinds.sections, default=(),
        help="handler sections that see each call before and each answer after the service",
    )  # fmt: skip
    mode: Mode = option(
        kinds.choice(*MODES), default="pipelined",
        help="many calls on a connection, one at a time, or one and then it is closed",
    )  # fmt: skip
    connections: int = option(
        kinds.between(0, 10_000), default=0,
        help="connections to the service at most; 0 = 64, but for XML over http 1, for pipelined "
        "sodep 1, up to 8 to a slow service",
    )  # fmt: skip
    timeout: float = option(
        kinds.duration("s", least=0.001), default=30.0,
        help="time from a call to its answer; then the caller gets a fault",
    )  # fmt: skip
    idle: float = option(
        kinds.duration("s"), default=60.0,
        help="time after which an unused connection is closed; 0 = never",
    )  # fmt: skip
    lifetime: float | None = option(
        kinds.duration("s"), default=None,
        help="time from its opening in which a connection is given calls; 0 = no limit; without "
        "it 4.5 s for http, jsonrpc and soap, whose Jolie services close older ones behind answers",
    )  # fmt: skip
    keepalive: bool = option(kinds.flag, default=True, help="TCP keep-alive to the service")
    calls: int = option(kinds.positive, default=10_000, help="calls without answer, at most")
    queue: int = option(
        kinds.size_between(1), default=64 << 20,
        help="bytes of calls without answer, at most; a single one may have more",
    )  # fmt: skip
    max_message: int = option(
        kinds.size_between(1, 1 << 40), default=64 << 20,
        help="longest answer of the service that is taken, in bytes on the wire; of HTTP, a body",
    )  # fmt: skip
    tls_ca: str = tls.ca()
    tls_verify: bool = tls.verify()
    tls_name: str = tls.name()
    tls_certificate: str = tls.certificate("ours for a service that asks for one", required=False)
    tls_key: str = tls.key()
    relocate_from: tuple[str, ...] = option(
        kinds.names, default=(),
        help="listeners whose peers may send relocate.NAME; ccserver is the one of cc-socket",
    )  # fmt: skip
    state: str = option(
        kinds.written_file,
        default="",
        help="file that keeps relocations over a restart, if they are to be saved; empty = none",
    )

    def __post_init__(self) -> None:
        if self.location is None and not self.redirects and not self.operations:
            raise ValueError('lacks "location", the place of the service')
        if self.location is not None:
            spoken_at(self.location, self.protocol)

    def limits(self) -> ConnectionLimits:
        """How the connections to the service are used, wherever it is."""
        return ConnectionLimits(
            mode=self.mode,
            connections=self.connections,
            most=0 if self.connections else MAX_SLOW_CONNECTIONS,
            timeout=self.timeout,
            idle=self.idle,
            lifetime=self.lifetime,
            calls=self.calls,
            bytes=self.queue,
            answer=self.max_message,
        )

    def style(self) -> CallStyle:
        """How bodies are written and read."""
        types = Types(self.types, self.numbers == "infer", self.raw == BASE64)
        return CallStyle(self.format, types, self.namespace)

    def wire(self) -> SecureLinkOptions:
        """How connections to the service are dialled."""
        return SecureLinkOptions(
            queue=UNBOUNDED,
            zmq_tcp_keepalive=int(self.keepalive),
            handshake_timeout=self.timeout,
            tls=ServiceTls(ServiceTlsOptions(**shared(self, ServiceTlsOptions))),
        )


def spoken_at(location: Location, protocol: str) -> None:
    """ValueError if a location says what is spoken there, and it is another protocol."""
    if location.scheme and protocol not in SPOKEN[location.scheme]:
        expected = " or ".join(SPOKEN[location.scheme])
        raise ValueError(f'a "location" of {location.scheme}:// needs protocol = {expected}')
