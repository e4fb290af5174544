#!/usr/bin/env python3
"""A DPE of CLARA in Python: starts containers and services when it is told to, and runs them.

    python service.py 127.0.0.1%7791_python
    python service.py 127.0.0.1%7801_python --frontend 127.0.0.1%7791_python

A proxy has to run at its address, and a registrar at the port P+4 of its front-end: ccserver with
conf/clara.ini is both. Without --frontend it is its own front-end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engines import ENGINES, Engine
from names import DpeName, behind
from registry import Registrar, registration
from xmsg import JSON, TEXT, Connection, Connections, Message

ALIVE_PERIOD = 10.0
"""Seconds between two reports."""
STEP = 0.05
"""Seconds between two looks at whether it is time to report or to end."""


@dataclass(slots=True)
class Service:
    """One engine, what it was told of reports, and how often it ran."""

    name: str
    container: str
    engine: Engine
    class_name: str
    report_done: int = 0
    report_data: int = 0
    requests: int = 0
    failures: int = 0


class Dpe:
    """One DPE; `serve` runs it in the thread that made it."""

    def __init__(
        self, name: DpeName, frontend: DpeName | None = None, session: str = "", **connecting: Any
    ) -> None:
        """Connect and register; `connecting` are arguments of its connections."""
        self.name = name
        self.session = session
        self.services: dict[str, Service] = {}
        self.containers: set[str] = set()
        self.running = True
        self._started = time.time()
        self._connections = Connections(**connecting)
        self._frontend = frontend or name
        self._registrar = Registrar(self._frontend.registrar, sender=str(name))
        self._here = self._connections.at(name.proxy)
        self._listen("dpe", f"dpe:{name}", registration(str(name), name.proxy, "dpe", str(name)))

    def serve(self, seconds: float | None = None, period: float = ALIVE_PERIOD) -> None:
        """Do what messages ask for, until `running` is False or the time is over."""
        end = None if seconds is None else time.monotonic() + seconds
        due = time.monotonic()
        while self.running and (end is None or time.monotonic() < end):
            if time.monotonic() >= due:
                due += period
                self.report()
            message = self._here.receive(STEP)
            if message is not None:
                self.take(message)

    def close(self) -> None:
        """Remove all registrations and close all connections."""
        with contextlib.suppress(TimeoutError), self._registrar as registrar:
            for record in self._records():
                registrar.remove("Subscriber", record)
        self._connections.close()

    def take(self, message: Message) -> None:
        """One message for the DPE or for one of its services."""
        service = self.services.get(message.topic)
        if service is not None and message.meta.HasField("action"):
            self._run(service, message)
            return
        try:
            found = self._command(message.data.decode().split("?"), service)
            self._answer(message, self.name if service is None else service.name, found, "INFO")
        except (ValueError, TimeoutError) as error:
            self._answer(message, self.name, f"Invalid request: {error}", "ERROR")

    def report(self) -> None:
        """Tell the front-end that this DPE is alive, and what it runs."""
        alive = {"name": str(self.name), "n_cores": 1, "clara_home": ""}
        for kind, content in (("dpeAlive", alive), ("dpeReport", self.description())):
            topic = f"{kind}:{self.session}:{self.name}"
            self._connections.at(self._frontend.proxy).publish(
                Message.of(topic, JSON, json.dumps(content).encode())
            )

    def description(self) -> dict[str, Any]:
        """What it is and what it has done."""
        services = [
            {
                "name": one.name, "class_name": one.class_name, "n_requests": one.requests,
                "n_failures": one.failures,
            }
            for one in self.services.values()
        ]  # fmt: skip
        return {
            "DPERegistration": {
                "name": str(self.name), "session": self.session, "language": self.name.language,
                "start_time": self._started, "containers": sorted(self.containers),
            },
            "DPERuntime": {"name": str(self.name), "services": services},
        }  # fmt: skip

    def _command(self, words: list[str], service: Service | None) -> str:
        """Do what a text request says; the text of the answer."""
        commands: dict[str, Callable[..., None]] = {
            "startContainer": self._start_container,
            "stopContainer": self._stop_container,
            "startService": self._start_service,
            "stopService": self._stop_service,
            "setSession": self._set_session,
            "stopDpe": self._stop,
        }
        word, *arguments = words
        if service is not None:
            self._set_reports(service, word, *arguments)
        elif word in ("pingDpe", "reportJson"):
            return json.dumps(self.description())
        elif word in commands:
            try:
                commands[word](*arguments)
            except TypeError:
                raise ValueError("?".join(words)) from None
        return "?".join(words)

    def _start_container(self, name: str, pool: str = "1", description: str = "") -> None:
        self.containers.add(name)
        self._registrar.register("Subscriber", self._container(name))

    def _stop_container(self, name: str) -> None:
        for one in [one for one in self.services.values() if one.container == name]:
            self._stop_service(name, one.name.rpartition(":")[2])
        self.containers.discard(name)
        self._registrar.remove("Subscriber", self._container(name))

    def _start_service(self, container: str, engine: str, class_name: str, *rest: str) -> None:
        if container not in self.containers or class_name not in ENGINES:
            raise ValueError(f"there is no container {container} or no class {class_name}")
        name = f"{self.name}:{container}:{engine}"
        self._listen("service", name, self._service(name))
        self.services[name] = Service(name, container, ENGINES[class_name], class_name)

    def _stop_service(self, container: str, engine: str) -> None:
        name = f"{self.name}:{container}:{engine}"
        if self.services.pop(name, None) is not None:
            self._here.unsubscribe(name)
            self._registrar.remove("Subscriber", self._service(name))

    def _set_session(self, session: str = "") -> None:
        self.session = session

    def _stop(self) -> None:
        self.running = False

    def _set_reports(self, service: Service, word: str, number: str = "") -> None:
        """Report to the front-end from now on, after so many requests; 0 = never."""
        field = {"serviceReportDone": "report_done", "serviceReportData": "report_data"}.get(word)
        if field is None or not number.isdecimal():
            raise ValueError(f"{word}?{number}")
        setattr(service, field, int(number))

    def _run(self, service: Service, message: Message) -> None:
        """Let the engine work; the result goes back, or on along the composition."""
        service.requests += 1
        begun = time.perf_counter()
        try:
            kind, data = service.engine(message.meta.dataType, message.data)
        except (ValueError, ArithmeticError) as error:
            service.failures += 1
            self._answer(message, service.name, str(error), "ERROR")
            self._tell(f"ERROR:{service.name}", message, str(error).encode(), dataType=TEXT)
            return
        microseconds = int(1e6 * (time.perf_counter() - begun))
        fields = {
            "dataType": kind, "author": service.name, "sender": service.name,
            "executionTime": microseconds,
        }  # fmt: skip
        if message.meta.HasField("replyTo"):
            _deliver(self._here, message.answer(data, **fields))
            return
        for every, word in ((service.report_done, "done"), (service.report_data, "data")):
            if every and service.requests % every == 0:
                self._tell(f"{word}:{service.name}", message, data, **fields)
        for target in behind(message.meta.composition, service.name):
            there = self._connections.at(DpeName.parse(target).proxy)
            _deliver(there, message.onward(target, data, **fields))

    def _tell(self, topic: str, message: Message, data: bytes, **fields: Any) -> None:
        """Publish a report at the front-end."""
        there = self._connections.at(self._frontend.proxy)
        there.publish(message.onward(topic, data, **fields))

    def _answer(self, message: Message, author: object, text: str, status: str) -> None:
        if message.meta.HasField("replyTo"):
            fields = {"author": str(author), "sender": str(author), "status": status}
            _deliver(self._here, message.answer(text.encode(), dataType=TEXT, **fields))

    def _listen(self, kind: str, topic: str, record: Any) -> None:
        """Subscribe to what is sent to a DPE or service, and register it."""
        self._here.subscribe(topic)
        self._registrar.register("Subscriber", record)

    def _container(self, name: str) -> Any:
        full = f"{self.name}:{name}"
        return registration(full, self.name.proxy, "container", str(self.name), name)

    def _service(self, name: str) -> Any:
        return registration(name, self.name.proxy, *name.split(":"))

    def _records(self) -> list[Any]:
        """Everything that this DPE has registered."""
        own = registration(str(self.name), self.name.proxy, "dpe", str(self.name))
        containers = [self._container(one) for one in self.containers]
        return [own, *containers, *map(self._service, self.services)]


def _deliver(there: Connection, message: Message) -> None:
    """Publish what another program waits for: the proxy may ask for it a moment later only."""
    there.wanted(message.topic, STEP)
    there.publish(message)


def main() -> int:
    """Run one DPE until SIGTERM, SIGINT or a request to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", type=DpeName.parse, help="HOST[%%PORT]_python")
    parser.add_argument("--frontend", type=DpeName.parse, help="the DPE that it reports to")
    parser.add_argument("--session", default="", help="part of the topics of its reports")
    parser.add_argument("--period", type=float, default=ALIVE_PERIOD, help="seconds of a report")
    args = parser.parse_args()
    dpe = Dpe(args.name, args.frontend, args.session)

    def stop(*signal: object) -> None:
        dpe.running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{dpe.name} is running", flush=True)
    dpe.serve(period=args.period)
    dpe.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
