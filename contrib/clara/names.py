"""Names of CLARA: a name is an address, so the proxy of everything is found by its name.

10.1.1.10_java                     a DPE, the process that runs services
10.1.1.10%7900_java                one whose proxy has another port than is usual
10.1.1.10_java:trevor              a container
10.1.1.10_java:trevor:Engine1      a service
"""

from __future__ import annotations

import re
from typing import NamedTuple

from xmsg import Proxy

PORTS = {"java": 7771, "cpp": 7781, "python": 7791}
"""The usual port of the proxy, by language."""
REGISTRAR_OFFSET = 4
"""The registrar of a front-end is at the port P+4 of its proxy."""
_DPE = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?:%(\d+))?_(java|cpp|python)")


class DpeName(NamedTuple):
    """Host, port and language of a DPE."""

    host: str
    port: int
    language: str = "python"

    @classmethod
    def parse(cls, name: str) -> DpeName:
        """The DPE in the name of a DPE, container or service; ValueError if there is none."""
        found = _DPE.fullmatch(name.partition(":")[0])
        if found is None:
            raise ValueError(f"{name!r} is no name in CLARA: expected HOST[%PORT]_LANGUAGE")
        host, port, language = found.groups()
        return cls(host, int(port or PORTS[language]), language)

    @property
    def proxy(self) -> Proxy:
        """Where its proxy is."""
        return Proxy(self.host, self.port)

    @property
    def registrar(self) -> str:
        """The address of its registrar, if it is a front-end."""
        return self.proxy.address(REGISTRAR_OFFSET)

    def __str__(self) -> str:
        port = "" if self.port == PORTS[self.language] else f"%{self.port}"
        return f"{self.host}{port}_{self.language}"


def chain(composition: str) -> list[str]:
    """The services of a composition `a+b+c;` in their order."""
    return [name for name in composition.strip(";").split("+") if name]


def behind(composition: str, service: str) -> list[str]:
    """The services that come next after this one."""
    names = chain(composition)
    if service not in names:
        return []
    return names[names.index(service) + 1 :][:1]
