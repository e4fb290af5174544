"""The library for services of a mesh: sessions with other services, managed from outside.

    from ccproxy.service import Service             # threads
    from ccproxy.service.aio import Service         # asyncio

Both attach to the agent that started the process, open sessions at plugs, accept them at sockets,
report how each ends, close them between two units of work when they are asked to, and answer for
the health of the process. `Core` is the same without any I/O.
"""

from ccproxy.service.configuration import Configuration
from ccproxy.service.core import Core
from ccproxy.service.errors import SessionRefused
from ccproxy.service.events import Settings
from ccproxy.service.threads import Service
from ccproxy.service.threads_plug import Plug
from ccproxy.service.threads_session import Session

__all__ = [
    "Configuration", "Core", "Service", "Session", "SessionRefused", "Settings", "Plug",
]  # fmt: skip
