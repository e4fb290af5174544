"""The port for metrics and health, option `http`: its address, and what requests must carry.

On a loopback address every user of this machine may ask, elsewhere a token is needed. This module
must never open a port.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy.config.address import Address, wrong
from ccproxy.config.ini import Section
from ccproxy.config.keys import KeyFault, http_token
from ccproxy.config.options import Kind
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.config.security import is_local
from ccproxy.config.taken import TakenAddresses


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


def http_problems(plan: Plan, section: Section, taken: TakenAddresses) -> Iterator[Problem]:
    """What is wrong with `http` and `http-token` of the section `[ccserver]`."""
    place, token = section.entry("http"), section.entry("http-token")
    options = plan.server
    if token is not None and not options.http:
        yield token.problem("http-token has no effect without http", warning=True)
    if token is not None and options.http_token:
        try:
            http_token(options.http_token)
        except KeyFault as fault:
            yield token.problem(fault.what, fault.hint)
    if place is None or not options.http:
        return
    address = http_address(options.http)
    if not is_local(address) and not options.http_token:
        what = f"other machines reach http = {options.http}, so it needs a token"
        yield place.problem(what, "write http-token = FILE, or http = 127.0.0.1:PORT")
    if one := taken.holder(address):
        what = f"http = {options.http} is the address of [{one.section}]"
        yield place.problem(what, f"line {one.line} has {one.address}")
