"""What the agent passes on, and what it answers in place of an instance or of the Manager.

Session requests that wait for the Manager and requests that wait for an instance are kept by their
message ids. They last as long as the connections do and are not journalled. An instance may use the
id of a request again when it has acknowledged the session; what it asks with that id before is held
until then. This module must never know how a process is started or ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ccproxy.protocols import ssmmp

from .rows import OpenSession
from .state import State

_ADDRESS = "dest_service_instance_network_address"


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A session request of an instance, with the answer once it is there; `deadline` is when the
    requests that are held because of it wait no more, 0 = there is no answer yet."""

    instance: int
    plug: str
    to_address: str = ""
    to_port: int = 0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """A request of the Manager that an instance has to answer."""

    instance: int
    type: str
    deadline: float
    session: str = ""


def session_key(message: ssmmp.SsmmpMessage, source: int) -> str:
    """The key of a session in the messages of its source."""
    port = message.number("source_plug_port")
    return f"{source} {port} {message.text(_ADDRESS)} {message.number('dest_socket_port')}"


class Relay:
    """Between the instances and the Manager, in both directions."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.requests: dict[int, SessionRequest] = {}
        self.forwarded: dict[int, ForwardedRequest] = {}
        self.held: dict[int, list[ssmmp.SsmmpMessage]] = {}
        self._held_count = 0

    def request(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """session_request of an instance."""
        status = self._refusal(instance, message)
        if status:
            self.refuse(instance, message, status)
            return
        if message.id in self.requests:
            self.held.setdefault(message.id, []).append(message)
            self._held_count += 1
            return
        self.requests[message.id] = SessionRequest(instance, message.text("source_plug_name"))
        fields = {**message.fields, "agent_network_address": self.state.identity.address}
        self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(replace(message, fields=fields)))

    def _refusal(self, instance: int, message: ssmmp.SsmmpMessage) -> int:
        if message.number("source_service_instance_id") != instance:
            self.state.count("foreign.session_request")
            return 403
        pending = self.requests.get(message.id)
        if pending and pending.instance != instance:
            return 409
        if len(self.requests) + self._held_count >= self.state.settings.pending:
            return 429
        return 0 if self.state.registered else 503

    def refuse(self, instance: int, message: ssmmp.SsmmpMessage, status: int) -> None:
        """Answer a request of an instance in place of the Manager."""
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, status, {}) if row else None
        if answer:
            self.state.to_instance(instance, answer)

    def respond(self, message: ssmmp.SsmmpMessage) -> None:
        """session_response of the Manager."""
        asked = self.requests.get(message.id)
        if asked is None:
            self.state.count("unexpected.session_response")
            return
        if message.ok:
            to = message.text(_ADDRESS), message.number("dest_socket_port")
            deadline = self.state.now + self.state.settings.answer_timeout
            self.requests[message.id] = replace(
                asked, to_address=to[0], to_port=to[1], deadline=deadline
            )
            self.state.to_instance(asked.instance, ssmmp.AGENT_TO_INSTANCE.forward(message))
            return
        del self.requests[message.id]
        self.state.to_instance(asked.instance, ssmmp.AGENT_TO_INSTANCE.forward(message))
        self._take_up_held(asked.instance, message.id)

    def ack(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """session_ack of an instance."""
        asked = self.requests.get(message.id)
        if asked is None or asked.instance != instance:
            self.state.count("unexpected.session_ack")
            return
        del self.requests[message.id]
        if message.ok:
            port = message.number("source_plug_port")
            key = f"{instance} {port} {asked.to_address} {asked.to_port}"
            self.state.put(
                OpenSession(key, instance, asked.plug, port, asked.to_address, asked.to_port,
                           message.number("dest_socket_new_port"))
            )  # fmt: skip
        self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))
        self._take_up_held(instance, message.id)

    def _take_up_held(self, instance: int, id: int) -> None:
        """A message id is free again: what was asked with it meanwhile is asked now, in order."""
        for message in self._release(id):
            self.request(instance, message)

    def _release(self, id: int) -> list[ssmmp.SsmmpMessage]:
        """What was held because of a message id; it is held no more."""
        found = self.held.pop(id, [])
        self._held_count -= len(found)
        return found

    def held_deadline(self) -> float:
        """When `tick` has to refuse held requests, 0 = there are none that have a time."""
        times = [self.requests[id].deadline for id in self.held if id in self.requests]
        return min((one for one in times if one), default=0.0)

    def _refuse_held(self) -> None:
        """Refuse the requests whose id belongs to an offer that was not acknowledged in time."""
        for id in list(self.held):
            asked = self.requests[id]
            if asked.deadline and asked.deadline <= self.state.now:
                for message in self._release(id):
                    self.refuse(asked.instance, message, 409)

    def closed(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """A close info of an instance."""
        side = message.type.partition("_")[0]
        if message.number(f"{side}_service_instance_id") != instance:
            self.state.count(f"foreign.{message.type}")
            return
        if side == "source":
            self._forget(session_key(message, instance))
        self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def _forget(self, key: str) -> None:
        found = self.state.sessions.get(key)
        if found:
            self.state.drop(found)

    def pass_on(self, message: ssmmp.SsmmpMessage) -> None:
        """A request of the Manager to an instance. Without a process the answer is 404, without a
        control connection 502."""
        side = message.type.partition("_")[0]
        field = f"{side}_service_instance_id" if side in ("source", "dest") else ""
        instance = message.number(field or "service_instance_id")
        answer = message.type.removesuffix("_request") + "_response"
        if instance not in self.state.rows:
            self._answer(answer, message.id, 404, instance)
            return
        if not self.state.to_instance(instance, ssmmp.AGENT_TO_INSTANCE.forward(message)):
            self._answer(answer, message.id, 502, instance)
            return
        deadline = self.state.now + self.state.settings.answer_timeout
        session = session_key(message, instance) if side == "source" else ""
        self.forwarded[message.id] = ForwardedRequest(instance, answer, deadline, session)

    def _answer(self, type: str, id: int, status: int, instance: int) -> None:
        extra = {"service_instance_id": instance} if "health" in type else {}
        self.state.answer(type, id, status, "", **extra)

    def answered(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """The answer of an instance to a request of the Manager."""
        passed = self.forwarded.get(message.id)
        if passed is None or (passed.instance, passed.type) != (instance, message.type):
            self.state.count(f"unexpected.{message.type}")
            return
        del self.forwarded[message.id]
        if passed.session and (message.ok or message.status == 404):
            self._forget(passed.session)
        self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def tick(self) -> None:
        """Answer 504 in place of the instances that did not answer in time, and refuse requests
        that were held for too long."""
        self._refuse_held()
        for id, passed in list(self.forwarded.items()):
            if passed.deadline <= self.state.now:
                del self.forwarded[id]
                self._answer(passed.type, id, 504, passed.instance)

    def drop_pending(self) -> None:
        """The connection to the Manager has ended: instances that wait for an answer of it get 503
        and ask again. An offer that is not acknowledged yet is kept, for the next registration."""
        self.forwarded.clear()
        for id in list(self.held):
            for message in self._release(id):
                self.refuse(self.requests[id].instance, message, 503)
        for id, asked in list(self.requests.items()):
            if not asked.to_port:
                del self.requests[id]
                answer = ssmmp.AGENT_TO_INSTANCE.make(
                    "session_response", id, status=503, dest_socket_port=0,
                    dest_service_instance_network_address=ssmmp.NOWHERE,
                )  # fmt: skip
                self.state.to_instance(asked.instance, answer)

    def offered(self) -> list[tuple[int, str, int, str, int, int]]:
        """The sessions that were offered and are not acknowledged yet, as a registration lists
        them."""
        asked = [one for one in self.requests.values() if one.to_port]
        return [(one.instance, one.plug, 0, one.to_address, one.to_port, 0) for one in asked]

    def ended(self, instance: int) -> None:
        """An instance has ended: forget its sessions, and answer what it was asked with 404."""
        self.detached(instance)
        for row in [one for one in self.state.sessions.values() if one.source == instance]:
            self.state.drop(row)
        for id, passed in list(self.forwarded.items()):
            if passed.instance == instance:
                del self.forwarded[id]
                self._answer(passed.type, id, 404, instance)

    def detached(self, instance: int) -> None:
        """The connection of an instance has ended: its requests are forgotten."""
        for id, asked in list(self.requests.items()):
            if asked.instance == instance:
                del self.requests[id]
                self._release(id)
