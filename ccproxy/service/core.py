"""The library of a service without any I/O: bytes, ends of connections and wishes in, actions out.

Pure: no sockets, no clock, no threads. Each call gets the time in seconds and returns what is to be
done, in order. The sessions go on while the agent is away; what has to be said is kept until then.
"""

from __future__ import annotations

from ccproxy.protocols import ssmmp
from ccproxy.service.configuration import Configuration
from ccproxy.service.desk import Desk
from ccproxy.service.events import Action, Attach, Detach, Settings, Stop, Transmit
from ccproxy.service.sessions import OWN, Sessions
from ccproxy.service.states import Event

CANNOT = 409
"""Status of what cannot be done now."""
_UNKNOWN, _STRANGE = 501, 404
_FOREVER = float("inf")


class Core:
    """`health` is what a health control is answered with; the business logic may change it."""

    def __init__(self, configuration: Configuration, settings: Settings | None = None) -> None:
        self.desk = Desk(configuration, settings or Settings())
        self.sessions = Sessions(self.desk)
        self.health = 200
        self._reader = ssmmp.Reader()
        self._wait = self.desk.settings.attach_first
        self._deadline = 0.0
        self._hello = 0
        self._stop = 0
        self._strange = 0

    @property
    def attached(self) -> bool:
        """True while the agent knows this instance."""
        return self.desk.attached

    @property
    def stopping(self) -> bool:
        """True once a graceful shutdown was asked for."""
        return self._stop > 0

    def start(self, now: float) -> list[Action]:
        """Begin: connect to the agent."""
        self._at(now).log.append(Attach(0.0))
        return self.desk.log

    def linked(self, now: float) -> list[Action]:
        """The connection to the agent is there: say who this is."""
        desk = self._at(now)
        self._reader = ssmmp.Reader()
        self._hello = desk.number()
        self._deadline = now + desk.settings.hello_timeout
        mine = desk.configuration
        extras = (("x_token", mine.token),) if mine.token else ()
        desk.say_now("instance_hello_request", self._hello, extras, service_name=mine.service,
                     service_instance_id=mine.instance)  # fmt: skip
        return desk.log

    def unlinked(self, now: float) -> list[Action]:
        """The connection to the agent has ended, or could not be made; sessions go on."""
        desk = self._at(now)
        desk.attached = False
        self._deadline = 0.0
        self.sessions.unlinked()
        desk.log.append(Attach(self._wait))
        self._wait = min(2 * self._wait, desk.settings.attach_most)
        return desk.log

    def received(self, now: float, data: bytes) -> list[Action]:
        """Bytes from the agent."""
        desk = self._at(now)
        for unit in self._reader.feed(data):
            try:
                self._take(ssmmp.parse(unit, ssmmp.Actor.INSTANCE))
            except ssmmp.Malformed as error:
                if error.answer:
                    desk.log.append(Transmit(ssmmp.format(error.answer)))
        if self._reader.broken:
            desk.log.append(Detach(self._reader.broken))
        return desk.log

    def ask(self, now: float, plug: str, socket: str = "") -> tuple[int, list[Action]]:
        """Begin a session at a plug: its key; ValueError if there is no such plug."""
        edge = self.desk.configuration.plug(plug, socket)
        self._at(now)
        return self.sessions.ask(edge), self.desk.log

    def accepted(self, now: float, socket: str, peer: tuple[str, int]) -> tuple[int, list[Action]]:
        """A connection was accepted at a socket: the key of its session."""
        self._at(now)
        return self.sessions.accept(socket, *peer), self.desk.log

    def connected(self, now: float, key: int, port: int) -> list[Action]:
        """A granted session is connected, from this port."""
        self._at(now)
        if row := self.sessions.rows.get(key):
            row.own = port
        self.sessions.fire(key, Event.CONNECTED)
        return self.desk.log

    def failed(self, now: float, key: int, status: int) -> list[Action]:
        """A granted session could not be connected (502, 504); it is asked for again."""
        self._at(now)
        self.sessions.fire(key, Event.FAILED, status)
        return self.desk.log

    def closed(self, now: float, key: int, status: int = OWN) -> list[Action]:
        """A session is closed here (111, 122), or not wanted any more."""
        self._at(now)
        self.sessions.fire(key, Event.CLOSED, 0 if status == OWN else status)
        return self.desk.log

    def declined(self, now: float, key: int) -> list[Action]:
        """A session that is to be closed cannot be closed now."""
        self._at(now)
        self.sessions.fire(key, Event.DECLINED, CANNOT)
        return self.desk.log

    def stopped(self, now: float, status: int = 200) -> list[Action]:
        """All is done that a graceful shutdown asks for; the process ends after this."""
        desk = self._at(now)
        if not self._stop:
            return desk.log
        desk.say("graceful_shutdown_response", self._stop, status=status)
        if not 200 <= status < 300:
            self._stop = 0
        return desk.log

    def leave(self, now: float) -> list[Action]:
        """The process ends because it wants to."""
        desk = self._at(now)
        mine = desk.configuration
        desk.say("service_instance_termination_info", desk.number(), service_name=mine.service,
                 service_instance_id=mine.instance,
                 service_instance_network_address=mine.address)  # fmt: skip
        return desk.log

    def tick(self, now: float) -> list[Action]:
        """The time has come for what waits for it."""
        desk = self._at(now)
        if self._deadline and self._deadline <= now:
            self._deadline = 0.0
            desk.log.append(Detach("no answer to the hello"))
        self.sessions.tick()
        return desk.log

    def next_deadline(self) -> float:
        """When `tick` has something to do; infinity if nothing waits."""
        times = [one.deadline for one in self.sessions.rows.values() if one.deadline]
        return min([*times, self._deadline or _FOREVER])

    def _at(self, now: float) -> Desk:
        self.desk.now = now
        self.desk.log = []
        return self.desk

    def _take(self, message: ssmmp.Message) -> None:
        kind = message.type
        if kind == "instance_hello_response":
            self._welcomed(message)
        elif kind == "session_response":
            self.sessions.answered(message)
        elif kind.endswith("_session_close_request"):
            self.sessions.requested(message)
        elif kind == "graceful_shutdown_request":
            # Asked again after a restart of the agent: the last one is the one that is answered.
            if not self._stop:
                self.desk.log.append(Stop())
            self._stop = message.id
        elif kind in ("health_control_request", "service_instance_health_request"):
            self._healthy(message)

    def _welcomed(self, message: ssmmp.Message) -> None:
        if message.id != self._hello:
            return
        self._deadline = 0.0
        if not message.ok and message.status != _UNKNOWN:
            self._refused(message.status)
            return
        self._strange = 0
        self._wait = self.desk.settings.attach_first
        self.desk.attached = True
        self.desk.flush()
        self.sessions.linked()

    def _refused(self, status: int) -> None:
        """Not known there. If that stays so, this instance was replaced: nobody will end it."""
        self.desk.log.append(Detach(f"refused by the agent: {status}"))
        self._strange += status == _STRANGE
        if self._strange == self.desk.settings.strange:
            self.desk.log.append(Stop())

    def _healthy(self, message: ssmmp.Message) -> None:
        mine = self.desk.configuration
        kind = message.type.replace("_request", "_response")
        name: dict[str, ssmmp.FieldValue] = {}
        if kind.startswith("health"):
            name["service_name"] = mine.service
        self.desk.say_now(kind, message.id, (), service_instance_id=mine.instance,
                          status=self.health, **name)  # fmt: skip
