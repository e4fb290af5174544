"""The library of a service without any I/O: bytes, ends of connections and wishes in, actions out.

Pure: no sockets, no clock, no threads. Each call gets the time in seconds and returns what is to be
done, in order. The sessions go on while the agent is away; what has to be said is kept until then.
"""

from __future__ import annotations

from ccproxy.protocols import ssmmp
from ccproxy.service.configuration import Configuration
from ccproxy.service.events import Attach, Detach, SendBytes, ServiceAction, Settings, StopWanted
from ccproxy.service.outgoing import Outgoing
from ccproxy.service.sessions import OWN, ServiceSessions
from ccproxy.service.states import SessionEvent

CANNOT = 409
"""Status of what cannot be done now."""
_NO_SUCH_REQUEST, _NO_SUCH_INSTANCE = 501, 404
_FOREVER = float("inf")


class Core:
    """`health` is what a health control is answered with; the business logic may change it."""

    def __init__(self, configuration: Configuration, settings: Settings | None = None) -> None:
        self.outgoing = Outgoing(configuration, settings or Settings())
        self.sessions = ServiceSessions(self.outgoing)
        self.health = 200
        self._reader = ssmmp.Reader()
        self._wait = self.outgoing.settings.attach_first
        self._deadline = 0.0
        self._hello = 0
        self._stop = 0
        self._unknown_replies = 0

    @property
    def attached(self) -> bool:
        """True while the agent knows this instance."""
        return self.outgoing.attached

    @property
    def stopping(self) -> bool:
        """True once a graceful shutdown was asked for."""
        return self._stop > 0

    def start(self, now: float) -> list[ServiceAction]:
        """Begin: connect to the agent."""
        self._at(now).log.append(Attach(0.0))
        return self.outgoing.log

    def linked(self, now: float) -> list[ServiceAction]:
        """The connection to the agent is there: send the hello of this instance."""
        outgoing = self._at(now)
        self._reader = ssmmp.Reader()
        self._hello = outgoing.number()
        self._deadline = now + outgoing.settings.hello_timeout
        mine = outgoing.configuration
        extras = (("x_token", mine.token),) if mine.token else ()
        outgoing.send_now("instance_hello_request", self._hello, extras, service_name=mine.service,
                          service_instance_id=mine.instance)  # fmt: skip
        return outgoing.log

    def unlinked(self, now: float) -> list[ServiceAction]:
        """The connection to the agent has ended, or could not be made; sessions go on."""
        outgoing = self._at(now)
        outgoing.attached = False
        self._deadline = 0.0
        self.sessions.unlinked()
        outgoing.log.append(Attach(self._wait))
        self._wait = min(2 * self._wait, outgoing.settings.attach_most)
        return outgoing.log

    def received(self, now: float, data: bytes) -> list[ServiceAction]:
        """Bytes from the agent."""
        outgoing = self._at(now)
        for unit in self._reader.feed(data):
            try:
                self._take(ssmmp.parse(unit, ssmmp.Actor.INSTANCE))
            except ssmmp.Malformed as error:
                if error.answer:
                    outgoing.log.append(SendBytes(ssmmp.format(error.answer)))
        if self._reader.broken:
            outgoing.log.append(Detach(self._reader.broken))
        return outgoing.log

    def ask(self, now: float, plug: str, socket: str = "") -> tuple[int, list[ServiceAction]]:
        """Begin a session at a plug: its key; ValueError if there is no such plug."""
        edge = self.outgoing.configuration.plug(plug, socket)
        self._at(now)
        return self.sessions.ask(edge), self.outgoing.log

    def accepted(
        self, now: float, socket: str, peer: tuple[str, int]
    ) -> tuple[int, list[ServiceAction]]:
        """A connection was accepted at a socket: the key of its session."""
        self._at(now)
        return self.sessions.accept(socket, *peer), self.outgoing.log

    def connected(self, now: float, key: int, port: int) -> list[ServiceAction]:
        """A granted session is connected, from this port."""
        self._at(now)
        if row := self.sessions.rows.get(key):
            row.own = port
        self.sessions.fire(key, SessionEvent.CONNECTED)
        return self.outgoing.log

    def failed(self, now: float, key: int, status: int) -> list[ServiceAction]:
        """A granted session could not be connected (502, 504); it is asked for again."""
        self._at(now)
        self.sessions.fire(key, SessionEvent.FAILED, status)
        return self.outgoing.log

    def closed(self, now: float, key: int, status: int = OWN) -> list[ServiceAction]:
        """A session is closed here (111, 122), or not wanted any more."""
        self._at(now)
        self.sessions.fire(key, SessionEvent.CLOSED, 0 if status == OWN else status)
        return self.outgoing.log

    def declined(self, now: float, key: int) -> list[ServiceAction]:
        """A session that is to be closed cannot be closed now."""
        self._at(now)
        self.sessions.fire(key, SessionEvent.DECLINED, CANNOT)
        return self.outgoing.log

    def stopped(self, now: float, status: int = 200) -> list[ServiceAction]:
        """All is done that a graceful shutdown asks for; the process ends after this."""
        outgoing = self._at(now)
        if not self._stop:
            return outgoing.log
        outgoing.send("graceful_shutdown_response", self._stop, status=status)
        if not 200 <= status < 300:
            self._stop = 0
        return outgoing.log

    def leave(self, now: float) -> list[ServiceAction]:
        """The process ends of its own accord: announce it."""
        outgoing = self._at(now)
        mine = outgoing.configuration
        outgoing.send(
            "service_instance_termination_info", outgoing.number(), service_name=mine.service,
            service_instance_id=mine.instance, service_instance_network_address=mine.address,
        )  # fmt: skip
        return outgoing.log

    def tick(self, now: float) -> list[ServiceAction]:
        """The time has come for what waits for it."""
        outgoing = self._at(now)
        if self._deadline and self._deadline <= now:
            self._deadline = 0.0
            outgoing.log.append(Detach("no answer to the hello"))
        self.sessions.tick()
        return outgoing.log

    def next_deadline(self) -> float:
        """When `tick` has something to do; infinity if nothing waits."""
        times = [one.deadline for one in self.sessions.rows.values() if one.deadline]
        return min([*times, self._deadline or _FOREVER])

    def _at(self, now: float) -> Outgoing:
        self.outgoing.now = now
        self.outgoing.log = []
        return self.outgoing

    def _take(self, message: ssmmp.SsmmpMessage) -> None:
        kind = message.type
        if kind == "instance_hello_response":
            self._welcomed(message)
        elif kind == "session_response":
            self.sessions.answered(message)
        elif kind.endswith("_session_close_request"):
            self.sessions.requested(message)
        elif kind == "graceful_shutdown_request":
            # An agent that was restarted asks again; it waits for the answer to its last request.
            if not self._stop:
                self.outgoing.log.append(StopWanted())
            self._stop = message.id
        elif kind in ("health_control_request", "service_instance_health_request"):
            self._healthy(message)

    def _welcomed(self, message: ssmmp.SsmmpMessage) -> None:
        if message.id != self._hello:
            return
        self._deadline = 0.0
        if not message.ok and message.status != _NO_SUCH_REQUEST:
            self._refused(message.status)
            return
        self._unknown_replies = 0
        self._wait = self.outgoing.settings.attach_first
        self.outgoing.attached = True
        self.outgoing.flush()
        self.sessions.linked()

    def _refused(self, status: int) -> None:
        """The agent does not know this instance. If it says so again and again, the instance was
        replaced and no agent will ever end it, so it ends itself."""
        self.outgoing.log.append(Detach(f"refused by the agent: {status}"))
        self._unknown_replies += status == _NO_SUCH_INSTANCE
        if self._unknown_replies == self.outgoing.settings.unknown_replies:
            self.outgoing.log.append(StopWanted())

    def _healthy(self, message: ssmmp.SsmmpMessage) -> None:
        mine = self.outgoing.configuration
        kind = message.type.replace("_request", "_response")
        name: dict[str, ssmmp.FieldValue] = {}
        if kind.startswith("health"):
            name["service_name"] = mine.service
        self.outgoing.send_now(kind, message.id, (), service_instance_id=mine.instance,
                               status=self.health, **name)  # fmt: skip
