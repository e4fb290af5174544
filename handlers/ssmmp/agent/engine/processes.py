"""The processes of an agent: start, readiness, end; each answer to the Manager about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp

from ...repository import HELLO, PORT, SPAWN, Program, filled
from .actions import Disconnect, Kill, Spawn, WatchPorts
from .rows import Process
from .state import House
from .tables import PROCESS, ProcessState

_ENDED, _LATE, _DONE = 502, 504, 200


class Processes:
    """`fire` takes one cell of the table for a process."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.effects: dict[str, Callable[[Process], None]] = {
            "answer_start": self._answer_start,
            "pass_stop": self._pass_stop,
            "answer_stop": self._answer_stop,
            "answer_stop_late": self._answer_stop_late,
            "kill": self._kill,
            "kill_harder": self._kill_harder,
            "answer_kill": self._answer_kill,
            "report_end": self._report_end,
            "forget": self._forget,
        }

    def fire(self, key: int, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        does = self.house.step(self.house.rows[key], event, **changes)
        for effect in does or ():
            row = self.house.rows.get(key)
            if row:
                self.effects[effect](row)
        return does is not None

    def execute(self, message: ssmmp.Message) -> None:
        """execution_request."""
        known = self.house.rows.get(message.number("service_instance_id"))
        if known and known.start == message.id:
            self.house.count("repeated.execution_request")
            return
        status = self._refusal(message)
        if status:
            self.house.answer("execution_response", message.id, status)
            return
        program = self.house.repository.programs[message.text("service_name")]
        row = Process(
            key=message.number("service_instance_id"), program=program.name,
            state=ProcessState.SPAWNED,
            sockets=tuple((name, port) for name, port in message.items("socket_configuration")),
            token=self.house.token(), start=message.id, since=self.house.now,
            deadline=self.house.now + program.ready_timeout,
        )  # fmt: skip
        self.house.put(row)
        self.house.log.append(self._spawn(row, program, message))

    def _refusal(self, message: ssmmp.Message) -> int:
        """The status of the refusal, 0 if the request can be carried out."""
        house = self.house
        if message.text("agent_network_address") != house.identity.address:
            return 412
        program = house.repository.programs.get(message.text("service_name"))
        if program is None:
            return 404
        if message.number("service_instance_id") in house.rows:
            return 409
        sockets = message.items("socket_configuration")
        plugs = {one.name for one in message.items("plug_configuration")}
        if {one.name for one in sockets} != set(program.sockets) or plugs != set(program.plugs):
            return 422
        return self._crowded(program, [port for _, port in sockets])

    def _crowded(self, program: Program, ports: Iterable[int]) -> int:
        rows = self.house.rows.values()
        taken = {port for row in rows for _, port in row.sockets}
        if taken & set(ports):
            return 423
        same = sum(row.program == program.name for row in rows)
        most = self.house.settings.most
        full = (program.most and same >= program.most) or (most and len(rows) >= most)
        return 429 if full else 0

    def _spawn(self, row: Process, program: Program, message: ssmmp.Message) -> Spawn:
        house = self.house
        sockets = ssmmp.write_tuples(message.items("socket_configuration"))
        plugs = message.items("plug_configuration")
        values = {
            "name": row.program, "service": row.program, "id": str(row.key), "token": row.token,
            "address": house.identity.address, "agent": house.identity.listens,
        }  # fmt: skip
        values.update({f"port:{name}": str(port) for name, port in row.sockets})
        env = {name: filled(text, values) for name, text in program.env}
        env.update(
            SSMMP_AGENT=house.identity.listens, SSMMP_SERVICE_NAME=row.program,
            SSMMP_INSTANCE_ID=str(row.key), SSMMP_ADDRESS=house.identity.address,
            SSMMP_SOCKETS=sockets, SSMMP_TOKEN=row.token,
            SSMMP_PLUGS=ssmmp.write_tuples([_edge(one, program) for one in plugs]),
        )  # fmt: skip
        command = tuple(filled(word, values) for word in program.exec)
        return Spawn(row.key, command, tuple(env.items()), program.user, program.directory)

    def spawned(self, key: int, pid: int) -> None:
        """The process runs; `pid` is also its group."""
        row = self.house.rows.get(key)
        if row is None:
            self.house.count("late.spawned")
            return
        self.house.put(replace(row, pid=pid))
        if row.state is ProcessState.KILLED:
            self._kill(self.house.rows[key])
            return
        program = self.house.repository.programs.get(row.program)
        if program and program.ready == SPAWN:
            self.fire(key, "ready")
        if program and program.ready == PORT:
            self.house.log.append(WatchPorts(key, tuple(port for _, port in row.sockets)))

    def unspawned(self, key: int, why: str) -> None:
        """The process could not be started."""
        row = self.house.rows.get(key)
        if row:
            self.house.notice("not started", key, f"{row.program}: {why}")
            self.house.answer("execution_response", row.start, 500)
            self.house.answer("hard_shutdown_response", row.kill, _DONE, service_instance_id=key)
            self._forget(row)

    def attached(self, key: int) -> None:
        """Its control connection is known."""
        row = self.house.rows[key]
        program = self.house.repository.programs.get(row.program)
        if row.state is ProcessState.SPAWNED:
            self.fire(key, "attach", deadline=row.deadline)
        if program and program.ready == HELLO:
            self.ready(key)

    def ready(self, key: int) -> None:
        """It can serve."""
        row = self.house.rows.get(key)
        if row and row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED):
            self.fire(key, "ready")

    def detached(self, key: int) -> None:
        """Its control connection has ended."""
        row = self.house.rows.get(key)
        if row and row.state is ProcessState.ATTACHED:
            self.fire(key, "detach", deadline=row.deadline)

    def stop(self, message: ssmmp.Message) -> None:
        """graceful_shutdown_request."""
        key = message.number("service_instance_id")
        row = self.house.rows.get(key)
        if row is None:
            self.house.answer("graceful_shutdown_response", message.id, 404)
        elif key not in self.house.conns and self._speaks(row):
            self.house.answer("graceful_shutdown_response", message.id, _ENDED)
        elif not self.fire(key, "stop", stop=message.id, answered=False):
            self.house.answer("graceful_shutdown_response", message.id, 500)

    def _speaks(self, row: Process) -> bool:
        program = self.house.repository.programs.get(row.program)
        return program is None or program.speaks

    def stopped(self, row: Process, message: ssmmp.Message) -> None:
        """graceful_shutdown_response of it: 2xx is passed on when the process has ended."""
        if row.stop != message.id:
            self.house.count("unexpected.graceful_shutdown_response")
        elif message.ok:
            self.house.put(replace(row, answered=True))
        else:
            self.house.answer("graceful_shutdown_response", row.stop, message.status)
            self.fire(row.key, "declined", stop=0)

    def kill(self, message: ssmmp.Message) -> None:
        """hard_shutdown_request."""
        key = message.number("service_instance_id")
        if key not in self.house.rows:
            self.house.answer("hard_shutdown_response", message.id, 404, service_instance_id=key)
            return
        self.fire(key, "kill", kill=message.id)

    def kill_all(self) -> None:
        """Nothing of what runs here is wanted."""
        for key in list(self.house.rows):
            self.fire(key, "kill", kill=0)

    def exited(self, key: int, status: int) -> None:
        """The process has ended, with all that its end means."""
        row = self.house.rows.get(key)
        if row is None:
            self.house.count("late.exited")
            return
        self.house.notice("exited", key, f"{row.program}: status {status}")
        self.fire(key, "exit")

    def expired(self, row: Process) -> None:
        """Its deadline has come."""
        rule = PROCESS.rule(row.state, "timeout")
        stays = rule is None or rule.next == row.state
        self.fire(row.key, "timeout", **({"deadline": 0.0} if stays else {}))

    def _answer_start(self, row: Process) -> None:
        statuses = {ProcessState.READY: _DONE, ProcessState.KILLED: _LATE}
        status = statuses.get(row.state, _ENDED)
        self.house.answer("execution_response", row.start, status)
        self.house.put(replace(row, start=0))

    def _pass_stop(self, row: Process) -> None:
        made = ssmmp.AGENT_TO_INSTANCE.make(
            "graceful_shutdown_request", row.stop, service_name=row.program,
            service_instance_id=row.key,
        )  # fmt: skip
        if not self.house.to_instance(row.key, made):
            program = self.house.repository.programs.get(row.program)
            signal = program.stop_signal if program else "TERM"
            self.house.log.append(Kill(row.key, row.pid, signal))

    def _answer_stop(self, row: Process) -> None:
        self.house.answer("graceful_shutdown_response", row.stop, _DONE)

    def _answer_stop_late(self, row: Process) -> None:
        self.house.answer("graceful_shutdown_response", row.stop, _LATE)
        self.house.put(replace(row, stop=0))

    def _kill(self, row: Process) -> None:
        program = self.house.repository.programs.get(row.program)
        grace = program.kill_grace if program else 0.0
        if not row.pid:
            return
        signal = program.stop_signal if program and grace else "KILL"
        self.house.log.append(Kill(row.key, row.pid, signal))
        if grace:
            self.house.put(replace(row, deadline=self.house.now + grace))

    def _kill_harder(self, row: Process) -> None:
        if row.answered or not row.pid:
            self.house.answer("hard_shutdown_response", row.kill, _LATE,
                              service_instance_id=row.key)  # fmt: skip
            self.house.notice("cannot be killed", row.key, row.program, alarm=True)
            self.house.put(replace(row, kill=0))
            return
        self.house.log.append(Kill(row.key, row.pid, "KILL"))
        # `answered` remembers here that KILL was sent once more; the next time is the last.
        deadline = self.house.now + self.house.settings.kill_timeout
        self.house.put(replace(row, answered=True, deadline=deadline))

    def _answer_kill(self, row: Process) -> None:
        self.house.answer("hard_shutdown_response", row.kill, _DONE, service_instance_id=row.key)
        self.house.answer("graceful_shutdown_response", row.stop, _DONE)

    def _report_end(self, row: Process) -> None:
        if row.left:
            return
        self.house.answer(
            "health_control_response", self.house.number(), _ENDED,
            service_name=row.program, service_instance_id=row.key,
        )  # fmt: skip

    def _forget(self, row: Process) -> None:
        conn = self.house.conns.pop(row.key, "")
        if conn:
            self.house.owners.pop(conn, None)
            self.house.log.append(Disconnect(conn, "its process has ended"))
        self.house.relay.ended(row.key)
        self.house.drop(row)


def _edge(plug: ssmmp.Plug, program: Program) -> tuple[str, ...]:
    """A plug as its program is told of it, with the socket if anybody knows it."""
    socket = plug.socket or dict(program.plug_sockets).get(plug.name, "")
    return (plug.name, socket, plug.service) if socket else (plug.name, plug.service)
