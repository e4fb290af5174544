"""A world for the explorer: the real engine of a client, libzmq's queue, and a server that keeps to
the contract with the real memory of a far side. The client has a spool."""

from __future__ import annotations

from ccproxy.core.delivery.far_side import RememberedLinks
from ccproxy.core.delivery.producer import CLOSED, SENDING, ProducedMessage, ProducerEngine
from ccproxy.core.delivery.store import MessageNumber, RunOrigin
from ccproxy.wire.zmtp.delivery import Ack, Have, SourceId
from tests.core.delivery.model import LINK, ModelStore, message


class Connection:
    """One connection: what is under way on it, and what its server knows of it."""

    def __init__(self, token: int, remembered) -> None:
        self.token, self.remembered = token, remembered
        self.opened = False
        """True behind an announcement of this connection, until a number is missing."""
        self.to_far: list = []
        self.to_client: list = []

    @property
    def key(self):
        under_way = tuple(map(str, self.to_far)), tuple(map(str, self.to_client))
        return self.token, self.opened, *under_way


class ClientWorld:
    """Client, server and what is between; each method is a step that may happen now."""

    def __init__(self, messages: int, faults: int) -> None:
        self.messages, self.faults = messages, faults
        self.offered = 0
        self.openings = self.connections = 1
        self.rows: list[tuple[MessageNumber, int]] = []
        """The spool: each message with its name."""
        self.settled = self.noted = 0
        """Rows that have their end, and those of which the file says so."""
        self.backup: tuple | None = None
        self.confirmed: set[int] = set()
        self.engine = ProducerEngine(self.openings)
        self.pipe: list = []
        """The queue of libzmq, which outlives connections."""
        self.token = 0
        self.far = ModelStore()
        self.links = RememberedLinks()
        self.line: Connection | None = None
        self.stale: Connection | None = None
        self.said: MessageNumber | None = None

    # What happens without faults

    def offer(self) -> bool:
        """The message is in the file before it has a number."""
        if self.offered == self.messages:
            return False
        one = self.engine.add([b"%d" % self.offered], 1)
        self.rows.append((one.place, self.offered))
        self.offered += 1
        return True

    def note(self) -> bool:
        changed = self.noted != self.settled
        self.noted = self.settled
        return changed

    def connect(self) -> bool:
        if self.line is not None:
            return False
        self.stale = None  # fenced
        source = SourceId(LINK, self.engine.epoch)
        remembered = self.links.get(source)
        self.connections += 1
        self.line = Connection(self.connections, remembered)
        self.line.to_client += remembered.begin(source, "peer", "listener")
        self.said = remembered.tracker.acknowledged
        self.say()
        return True

    def pump(self) -> bool:
        one = self.engine.take()
        if one is None:
            return False
        if isinstance(one, ProducedMessage):
            self.pipe.append((one.place.number, int(one.frames[0])))
            self.engine.written(one.place)
        else:
            self.pipe.append((one, self.token))
        return True

    def write(self) -> bool:
        """libzmq writes the oldest message of its queue to the connection that there is."""
        if self.line is None or not self.pipe:
            return False
        self.line.to_far.append(self.pipe.pop(0))
        return True

    def read_far(self) -> bool:
        line = self.line if self.line and self.line.to_far else self.stale
        if line is None or not line.to_far:
            return False
        first, second = line.to_far.pop(0)
        if isinstance(first, MessageNumber):
            if second == line.token:
                line.remembered.announced(first)
                line.opened = True
        elif line.opened:
            self.take(line, first, second)
        self.say()
        return True

    def take(self, line: Connection, number: int, name: int) -> None:
        link = line.remembered
        if number < link.next.number:
            link.duplicates += 1
        elif number > link.next.number:
            line.opened = False
        else:
            at, [receipt] = link.handed(1, 1)
            self.far.accept(message(name), 1, RunOrigin(LINK, *at), receipt)

    def commit_far(self) -> bool:
        done = self.far.committed < len(self.far.rows) or bool(self.far.receipts)
        self.far.commit()
        self.say()
        return done

    def say(self) -> None:
        if self.line is None:
            return
        tracker = self.line.remembered.tracker
        if tracker.acknowledged not in (None, self.said):
            self.said = tracker.acknowledged
            self.line.to_client.append(Ack(*tracker.acknowledged))

    def read_client(self) -> bool:
        if self.line is None or not self.line.to_client:
            return False
        one = self.line.to_client.pop(0)
        if isinstance(one, Have):
            self.engine.have(one.epochs)
            self.token = self.line.token
        elif isinstance(one, Ack):
            ended = self.engine.acknowledged(MessageNumber(one.epoch, one.number), "safe")
            self.settled += len(ended)
            self.confirmed |= {int(end.message.frames[0]) for end in ended}
        return True

    def late_event(self) -> bool:
        """The client has seen only now that its connection is over."""
        if self.line is not None or self.engine.state == CLOSED:
            return False
        self.engine.disconnected()
        return True

    # Faults

    def cut(self) -> bool:
        """The server goes on reading what is under way; the client sees it later."""
        if self.line is None:
            return False
        self.stale, self.line = self.line, None
        return True

    def lose(self) -> bool:
        """The line is cut, and what was under way is gone."""
        self.stale = None
        if self.line is None:
            return False
        self.line = None
        return True

    def crash_client(self) -> bool:
        self.stale, self.line = self.line or self.stale, None
        self.open_spool()
        return True

    def crash_far(self) -> bool:
        self.line = self.stale = None
        self.far.crash(self.openings)
        self.links = RememberedLinks()
        return True

    def back_up(self) -> bool:
        if self.backup is not None or not self.rows:
            return False
        self.backup = list(self.rows), self.noted
        return True

    def restore(self) -> bool:
        """The client is killed, and its backup is put in the place of its file."""
        if self.backup is None:
            return False
        self.stale, self.line = self.line or self.stale, None
        rows, self.noted = self.backup
        self.rows = list(rows)
        self.open_spool()
        return True

    def open_spool(self) -> None:
        self.openings += 1
        self.settled = self.noted
        left = self.rows[self.noted :]
        restored = [ProducedMessage(place, [b"%d" % name], 1) for place, name in left]
        self.engine = ProducerEngine(self.openings, restored)
        self.pipe = []

    NORMAL = (offer, note, connect, pump, write, read_far, commit_far, read_client, late_event)
    FAULTS = (cut, lose, crash_client, crash_far, back_up, restore)

    @property
    def key(self):
        engine = self.engine
        places = tuple(one.place for one in engine), tuple(one.place for one in engine._unsent)
        links = tuple(
            (one.next, tuple(one.numbers.items()), one.tracker.acknowledged, one.tracker.incomplete)
            for one in self.links
        )
        mine = self.offered, self.faults, self.settled, self.noted, tuple(sorted(self.confirmed))
        sending = engine.state, engine._next, engine._sent, tuple(engine._reached.items())
        line, stale = self.line and self.line.key, self.stale and self.stale.key
        between = tuple(map(str, self.pipe)), self.token, line, stale, self.said
        backup = self.backup and str(self.backup)
        return mine, tuple(self.rows), places, sending, between, links, self.far.key, backup

    def check(self) -> None:
        """What has to be true in every state."""
        arrived = [name for _, _, name in self.far.rows]
        assert len(arrived) == len(set(arrived)), f"doubled: {arrived}"
        assert arrived == sorted(arrived), f"order: {arrived}"
        kept = {name for _, _, name in self.far.rows[: self.far.committed]}
        assert self.confirmed <= kept, f"a receipt, and lost: {self.confirmed - kept}"
        assert len(self.engine) == len(self.rows) - self.settled

    def drain(self) -> None:
        """Without faults everything in the spool arrives, once, and is confirmed."""
        self.offered = self.messages
        for _ in range(300):
            if not any([step(self) for step in self.NORMAL]):
                break
        self.check()
        arrived = {name for _, _, name in self.far.rows}
        known = {name for _, name in self.rows}
        assert known <= arrived, f"lost: {known - arrived}"
        assert not len(self.engine), f"not confirmed: {len(self.engine)}"
        assert self.engine.state in (CLOSED, SENDING)
