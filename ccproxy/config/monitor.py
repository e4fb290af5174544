"""The port for the page, metrics and health, option `http`: its address, its certificate, and what
requests must carry.

On a loopback address every user of this machine may ask, elsewhere a token and TLS are needed. This
module must never open a port.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.config.address import Address, wrong
from ccproxy.config.ini import Entry, Section
from ccproxy.config.keys import KeyFault, http_token
from ccproxy.config.options import Kind
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.config.security import is_local
from ccproxy.config.taken import TakenAddresses
from ccproxy.config.tls import ServerTlsFiles, tls_faults

BELONGING = "http-token", "http-tls-certificate", "http-tls-key"
"""Options that say how requests to the port are made."""


def _place(text: str) -> str:
    if not text.strip():
        return ""
    if "://" in text or "," in text:
        raise wrong(text, "HOST:PORT, such as 127.0.0.1:9464")
    try:
        return str(Address.parse(f"tcp://{text.strip()}")).removeprefix("tcp://")
    except ValueError:
        raise wrong(text, "HOST:PORT, such as 127.0.0.1:9464") from None


HTTP_ADDRESS = Kind("HOST:PORT", _place)


def http_address(place: str) -> Address:
    """The address of the option `http`."""
    return Address.parse(f"tcp://{place}")


def http_tls(options: Any) -> ServerTlsFiles | None:
    """The certificate and the key of the port, if it speaks TLS."""
    if not options.http_tls_certificate:
        return None
    return ServerTlsFiles(options.http_tls_certificate, options.http_tls_key)


def http_problems(plan: Plan, section: Section, taken: TakenAddresses) -> Iterator[Problem]:
    """What is wrong with `http` and the options that belong to it in the section `[ccserver]`."""
    options, place = plan.server, section.entry("http")
    for name in BELONGING:
        entry = section.entry(name)
        if entry is not None and not options.http:
            yield entry.problem(f"{name} has no effect without http", warning=True)
    for fault in _file_faults(options):
        entry = section.entry(fault.option)
        if entry is not None:
            yield entry.problem(fault.what, fault.hint)
    if place is None or not options.http:
        return
    address = http_address(options.http)
    if not is_local(address):
        yield from _exposed(options, place)
    if one := taken.holder(address):
        what = f"http = {options.http} is the address of [{one.section}]"
        yield place.problem(what, f"line {one.line} has {one.address}")


def _file_faults(options: Any) -> Iterator[KeyFault]:
    """Files that cannot be used."""
    if options.http_token:
        try:
            http_token(options.http_token)
        except KeyFault as fault:
            yield fault
    files = http_tls(options)
    if files is None and options.http_tls_key:
        yield KeyFault("http-tls-key", "it needs http-tls-certificate")
    for one in tls_faults(files):
        yield KeyFault(f"http-{one.option}", one.what, one.hint)


def _exposed(options: Any, place: Entry) -> Iterator[Problem]:
    """What is missing where other machines reach the port."""
    if not options.http_token:
        what = f"other machines reach http = {options.http}, so it needs a token"
        yield place.problem(what, "write http-token = FILE, or http = 127.0.0.1:PORT")
    if not options.http_tls_certificate:
        what = f"other machines reach http = {options.http}, so it needs TLS"
        yield place.problem(what, "write http-tls-certificate = FILE, or http = 127.0.0.1:PORT")
