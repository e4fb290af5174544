"""What the agent passes on, and what it answers in place of an instance or of the Manager.

Pending session requests are known by their id, pending requests of the Manager by theirs, each
with a deadline; both are of the connections and not journalled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ccproxy.protocols import ssmmp

from .rows import Connection
from .state import House
from .tables import LinkState

_ADDRESS = "dest_service_instance_network_address"


@dataclass(frozen=True, slots=True)
class Asked:
    """A session request of an instance, with the answer once it is there."""

    instance: int
    plug: str
    to_address: str = ""
    to_port: int = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """A request of the Manager that an instance has to answer."""

    instance: int
    type: str
    deadline: float
    session: str = ""


def session_key(message: ssmmp.Message, source: int) -> str:
    """The key of a session in the messages of its source."""
    port = message.number("source_plug_port")
    return f"{source} {port} {message.text(_ADDRESS)} {message.number('dest_socket_port')}"


class Relay:
    """Between the instances and the Manager, both ways."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.asked: dict[int, Asked] = {}
        self.passed: dict[int, Passed] = {}

    def request(self, instance: int, message: ssmmp.Message) -> None:
        """session_request of an instance."""
        status = self._refusal(instance, message)
        if status:
            self.refuse(instance, message, status)
            return
        self.asked[message.id] = Asked(instance, message.text("source_plug_name"))
        fields = {**message.fields, "agent_network_address": self.house.identity.address}
        self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(replace(message, fields=fields)))

    def _refusal(self, instance: int, message: ssmmp.Message) -> int:
        if message.number("source_service_instance_id") != instance:
            self.house.count("foreign.session_request")
            return 403
        pending = self.asked.get(message.id)
        if pending and pending.instance != instance:
            return 409
        if len(self.asked) >= self.house.settings.pending:
            return 429
        return 0 if self.house.link.state is LinkState.REGISTERED else 503

    def refuse(self, instance: int, message: ssmmp.Message, status: int) -> None:
        """Answer a request of an instance in place of the Manager."""
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, status, {}) if row else None
        if answer:
            self.house.to_instance(instance, answer)

    def respond(self, message: ssmmp.Message) -> None:
        """session_response of the Manager."""
        asked = self.asked.get(message.id)
        if asked is None:
            self.house.count("unexpected.session_response")
            return
        if message.ok:
            to = message.text(_ADDRESS), message.number("dest_socket_port")
            self.asked[message.id] = replace(asked, to_address=to[0], to_port=to[1])
        else:
            del self.asked[message.id]
        self.house.to_instance(asked.instance, ssmmp.AGENT_TO_INSTANCE.forward(message))

    def ack(self, instance: int, message: ssmmp.Message) -> None:
        """session_ack of an instance."""
        asked = self.asked.get(message.id)
        if asked is None or asked.instance != instance:
            self.house.count("unexpected.session_ack")
            return
        del self.asked[message.id]
        if message.ok:
            port = message.number("source_plug_port")
            key = f"{instance} {port} {asked.to_address} {asked.to_port}"
            self.house.put(
                Connection(key, instance, asked.plug, port, asked.to_address, asked.to_port,
                           message.number("dest_socket_new_port"))
            )  # fmt: skip
        self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def closed(self, instance: int, message: ssmmp.Message) -> None:
        """A close info of an instance."""
        side = message.type.partition("_")[0]
        if message.number(f"{side}_service_instance_id") != instance:
            self.house.count(f"foreign.{message.type}")
            return
        if side == "source":
            self._forget(session_key(message, instance))
        self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def _forget(self, key: str) -> None:
        found = self.house.connections.get(key)
        if found:
            self.house.drop(found)

    def pass_on(self, message: ssmmp.Message) -> None:
        """A request of the Manager to an instance: 404 and 502 are answered for it."""
        side = message.type.partition("_")[0]
        field = f"{side}_service_instance_id" if side in ("source", "dest") else ""
        instance = message.number(field or "service_instance_id")
        answer = message.type.removesuffix("_request") + "_response"
        if instance not in self.house.rows:
            self._answer(answer, message.id, 404, instance)
            return
        if not self.house.to_instance(instance, ssmmp.AGENT_TO_INSTANCE.forward(message)):
            self._answer(answer, message.id, 502, instance)
            return
        deadline = self.house.now + self.house.settings.answer_timeout
        session = session_key(message, instance) if side == "source" else ""
        self.passed[message.id] = Passed(instance, answer, deadline, session)

    def _answer(self, type: str, id: int, status: int, instance: int) -> None:
        extra = {"service_instance_id": instance} if "health" in type else {}
        self.house.answer(type, id, status, **extra)

    def answered(self, instance: int, message: ssmmp.Message) -> None:
        """The answer of an instance to a request of the Manager."""
        passed = self.passed.get(message.id)
        if passed is None or (passed.instance, passed.type) != (instance, message.type):
            self.house.count(f"unexpected.{message.type}")
            return
        del self.passed[message.id]
        if passed.session and (message.ok or message.status == 404):
            self._forget(passed.session)
        self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def late(self) -> None:
        """Answer for the instances that did not."""
        for id, passed in list(self.passed.items()):
            if passed.deadline <= self.house.now:
                del self.passed[id]
                self._answer(passed.type, id, 504, passed.instance)

    def drop_pending(self) -> None:
        """The Manager is gone: those who wait for it are told to ask again."""
        self.passed.clear()
        for id, asked in list(self.asked.items()):
            del self.asked[id]
            if not asked.to_port:
                answer = ssmmp.AGENT_TO_INSTANCE.make(
                    "session_response", id, status=503, dest_socket_port=0,
                    dest_service_instance_network_address=ssmmp.NOWHERE,
                )  # fmt: skip
                self.house.to_instance(asked.instance, answer)
            else:
                self.asked[id] = asked

    def offered(self) -> list[tuple[int, str, int, str, int, int]]:
        """Sessions that were offered and are not acknowledged yet, as the Manager is told of."""
        asked = [one for one in self.asked.values() if one.to_port]
        return [(one.instance, one.plug, 0, one.to_address, one.to_port, 0) for one in asked]

    def ended(self, instance: int) -> None:
        """An instance has ended: nothing of it is pending any more."""
        self.detached(instance)
        for row in [one for one in self.house.connections.values() if one.source == instance]:
            self.house.drop(row)
        for id, passed in list(self.passed.items()):
            if passed.instance == instance:
                del self.passed[id]
                self._answer(passed.type, id, 404, instance)

    def detached(self, instance: int) -> None:
        """The connection of an instance has ended: its requests are forgotten."""
        for id, asked in list(self.asked.items()):
            if asked.instance == instance:
                del self.asked[id]
