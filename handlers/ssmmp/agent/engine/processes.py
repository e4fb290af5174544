"""The processes of an agent, once started: readiness, end, each answer to the Manager about them.

When a process has ended, the relay is told. This module must never know the link to the Manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Rule, StateMachine

from ...repository import HELLO, PORT, SPAWN
from .actions import Disconnect, Kill, WatchPorts
from .relay import Relay
from .rows import ProcessRow
from .state import State
from .tables import PROCESS, ProcessState

_ENDED, _LATE, _DONE = 502, 504, 200


class Processes:
    """It holds the rows of its machine, `state.rows`."""

    def __init__(self, state: State, relay: Relay) -> None:
        self.state = state
        self.relay = relay
        self._end = ""
        """How the process ended whose end is being dealt with."""
        self.machine = StateMachine[ProcessRow](
            PROCESS,
            {
                "answer_start": self._answer_start,
                "pass_stop": self._pass_stop,
                "answer_stop": self._answer_stop,
                "answer_stop_late": self._answer_stop_late,
                "kill": self._kill,
                "kill_harder": self._kill_harder,
                "answer_kill": self._answer_kill,
                "report_end": self._report_end,
                "forget": self._forget,
            },
            self,
        )

    def fire(self, key: int, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(self.state.rows[key], event, **changes)

    def enter(self, row: ProcessRow, rule: Rule, changes: Mapping[str, Any]) -> ProcessRow:
        """Put a process into the next state; in another state the time begins anew, unless the
        changes say otherwise."""
        if rule.next != row.state:
            deadline = rule.deadline(self.state.now, self.state.settings)
            entered = {"state": rule.next, "since": self.state.now}
            changes = {"deadline": deadline, **changes, **entered}
        if changes:
            row = replace(row, **changes)
            self.state.put(row)
        return row

    def current(self, row: ProcessRow) -> ProcessRow | None:
        """The row as the effects before have left it; None once it is forgotten."""
        return self.state.rows.get(row.key)

    def ignored(self, name: str) -> None:
        """Count an event without a rule."""
        self.state.count(name)

    def spawned(self, key: int, pid: int) -> None:
        """The process runs; `pid` is also its group."""
        row = self.state.rows.get(key)
        if row is None:
            self.state.count("late.spawned")
            return
        self.state.put(replace(row, pid=pid))
        if row.state is ProcessState.KILLED:
            self._kill(self.state.rows[key])
            return
        program = self.state.repository.programs.get(row.program)
        if program and program.ready == SPAWN:
            self.fire(key, "ready")
        if program and program.ready == PORT:
            self.state.log.append(WatchPorts(key, tuple(port for _, port in row.sockets)))

    def unspawned(self, key: int, why: str, status: int) -> None:
        """The process could not be started."""
        row = self.state.rows.get(key)
        if row:
            self.state.notice("not started", key, f"{row.program}: {why}")
            self.state.answer("execution_response", row.start, status, why)
            self.state.answer("hard_shutdown_response", row.kill, _DONE, service_instance_id=key)
            self._forget(row)

    def attached(self, key: int) -> None:
        """The control connection of a process is known."""
        row = self.state.rows[key]
        program = self.state.repository.programs.get(row.program)
        if row.state is ProcessState.SPAWNED:
            self.fire(key, "attach", deadline=row.deadline)
        if program and program.ready == HELLO:
            self.ready(key)

    def ready(self, key: int) -> None:
        """A process can serve."""
        row = self.state.rows.get(key)
        if row and row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED):
            self.fire(key, "ready")

    def detached(self, key: int) -> None:
        """The control connection of a process has ended."""
        row = self.state.rows.get(key)
        if row and row.state is ProcessState.ATTACHED:
            self.fire(key, "detach", deadline=row.deadline)

    def stop(self, message: ssmmp.SsmmpMessage) -> None:
        """graceful_shutdown_request."""
        key = message.number("service_instance_id")
        row = self.state.rows.get(key)
        if row is None:
            self.state.answer("graceful_shutdown_response", message.id, 404)
        elif key not in self.state.controls and self._speaks(row):
            self.state.answer("graceful_shutdown_response", message.id, _ENDED)
        elif not self.fire(key, "stop", stop=message.id):
            self.state.answer("graceful_shutdown_response", message.id, 500)

    def _speaks(self, row: ProcessRow) -> bool:
        program = self.state.repository.programs.get(row.program)
        return program is None or program.speaks

    def stopped(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """graceful_shutdown_response of an instance: a refusal is passed on now, 2xx only when the
        process has ended."""
        row = self.state.rows[instance]
        if row.stop != message.id:
            self.state.count("unexpected.graceful_shutdown_response")
        elif not message.ok:
            self.state.answer("graceful_shutdown_response", row.stop, message.status)
            self.fire(row.key, "declined", stop=0)

    def leaves(self, instance: int, message: ssmmp.SsmmpMessage) -> None:
        """service_instance_termination_info: its end need not be reported any more."""
        if message.number("service_instance_id") != instance:
            self.state.count("foreign.termination")
            return
        self.state.put(replace(self.state.rows[instance], left=True))
        self.state.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def kill(self, message: ssmmp.SsmmpMessage) -> None:
        """hard_shutdown_request."""
        key = message.number("service_instance_id")
        if key not in self.state.rows:
            self.state.answer("hard_shutdown_response", message.id, 404, service_instance_id=key)
            return
        self.fire(key, "kill", kill=message.id)

    def kill_all(self) -> None:
        """The Manager wants nothing of what runs here."""
        for key in list(self.state.rows):
            self.fire(key, "kill", kill=0)

    def exited(self, key: int, status: int, output: str) -> None:
        """The process has ended: answer what waits for it, and forget it."""
        row = self.state.rows.get(key)
        if row is None:
            self.state.count("late.exited")
            return
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        self._end = f"{how}: {output}" if output else how
        self.state.notice("exited", key, f"{row.program}: status {status}")
        self.fire(key, "exit")
        self._end = ""

    def tick(self) -> None:
        """The deadlines of some processes have come."""
        for row in list(self.state.rows.values()):
            if row.deadline and row.deadline <= self.state.now:
                self._expired(row)

    def _expired(self, row: ProcessRow) -> None:
        rule = PROCESS.rule(row.state, "timeout")
        stays = rule is None or rule.next == row.state
        self.fire(row.key, "timeout", **({"deadline": 0.0} if stays else {}))

    def _answer_start(self, row: ProcessRow) -> None:
        statuses = {ProcessState.READY: _DONE, ProcessState.KILLED: _LATE}
        status = statuses.get(row.state, _ENDED)
        self.state.answer("execution_response", row.start, status, self._end)
        self.state.put(replace(row, start=0))

    def _pass_stop(self, row: ProcessRow) -> None:
        made = ssmmp.AGENT_TO_INSTANCE.make(
            "graceful_shutdown_request", row.stop, service_name=row.program,
            service_instance_id=row.key,
        )  # fmt: skip
        if not self.state.to_instance(row.key, made):
            program = self.state.repository.programs.get(row.program)
            signal = program.stop_signal if program else "TERM"
            self.state.log.append(Kill(row.key, row.pid, signal))

    def _answer_stop(self, row: ProcessRow) -> None:
        self.state.answer("graceful_shutdown_response", row.stop, _DONE)

    def _answer_stop_late(self, row: ProcessRow) -> None:
        self.state.answer("graceful_shutdown_response", row.stop, _LATE)
        self.state.put(replace(row, stop=0))

    def _kill(self, row: ProcessRow) -> None:
        program = self.state.repository.programs.get(row.program)
        grace = program.kill_grace if program else 0.0
        if not row.pid:
            return
        signal = program.stop_signal if program and grace else "KILL"
        self.state.log.append(Kill(row.key, row.pid, signal))
        if grace:
            self.state.put(replace(row, deadline=self.state.now + grace))

    def _kill_harder(self, row: ProcessRow) -> None:
        if row.kills or not row.pid:
            self.state.answer("hard_shutdown_response", row.kill, _LATE,
                              service_instance_id=row.key)  # fmt: skip
            self.state.notice("cannot be killed", row.key, row.program, alarm=True)
            self.state.put(replace(row, kill=0))
            return
        self.state.log.append(Kill(row.key, row.pid, "KILL"))
        deadline = self.state.now + self.state.settings.kill_timeout
        self.state.put(replace(row, kills=row.kills + 1, deadline=deadline))

    def _answer_kill(self, row: ProcessRow) -> None:
        self.state.answer("hard_shutdown_response", row.kill, _DONE, service_instance_id=row.key)
        self.state.answer("graceful_shutdown_response", row.stop, _DONE)

    def _report_end(self, row: ProcessRow) -> None:
        if row.left:
            return
        self.state.answer(
            "health_control_response", self.state.number(), _ENDED, self._end,
            service_name=row.program, service_instance_id=row.key,
        )  # fmt: skip

    def _forget(self, row: ProcessRow) -> None:
        connection = self.state.controls.pop(row.key, "")
        if connection:
            self.state.owners.pop(connection, None)
            self.state.log.append(Disconnect(connection, "its process has ended"))
        self.relay.ended(row.key)
        self.state.drop(row)
