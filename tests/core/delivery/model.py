"""A world for the explorer: two real engines, a line between them, and stores that can crash."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

from ccproxy.core.delivery.far_side import RememberedLinks
from ccproxy.core.delivery.origins import Origins
from ccproxy.core.delivery.source import CLOSED, SourceEngine, SourceLimits
from ccproxy.core.delivery.store import SAFE, MessageNumber, RunOrigin, Stored
from ccproxy.wire.zmtp.delivery import Ack, Have, Nack, SourceId
from ccproxy.wire.zmtp.frames import boundaries, frame, unpack

LINK, SERVER = b"L" * 16, b"S" * 16


def message(name: int) -> bytes:
    return frame(b"%d" % name)


class ModelStore:
    """A store of single messages on a disk: what is not committed is gone after a crash."""

    name = destination = "model"
    may_block = blocked = False

    def __init__(self) -> None:
        self.link, self.opening, self.server = LINK, 1, b""
        self.on_more = self.nothing
        self.on_dead = None
        self.rows: list[tuple[int, int, int]] = []
        """Epoch, number and name of each message, the released ones among them."""
        self.committed = self.released = self.cursor = 0
        self.safe: set[int] = set()
        """Names of messages that are acknowledged."""
        self.refusals: set[tuple[int, int]] = set()
        self.last = 0
        self.origins = Origins()
        self.safe_origins: list[tuple[bytes, int, int]] = []
        self.receipts: list[tuple[int, object, int]] = []
        self.queued = self.sent = self.duplicates = 0
        self.dropped: Counter[str] = Counter()

    def nothing(self) -> None:
        """`fetch` is called by the world."""

    @property
    def waiting(self) -> int:
        return len(self.rows) - self.released

    @property
    def unacknowledged(self) -> int:
        return self.cursor - self.released

    def offer(self, chunk, messages, receipt=None):
        for name in names_of(chunk):
            self.last += 1
            self.rows.append((self.opening, self.last, name))
        self.queued += messages
        if receipt is not None:
            self.receipts.append((len(self.rows), receipt, messages))
        return messages

    def accept(self, chunk, messages, origin, receipt):
        known = self.origins.known(origin, messages)
        self.duplicates += known
        if known:
            self.receipts.append((len(self.rows), receipt, known))
        rest = names_of(chunk)[known:]
        if rest:
            self.offer(b"".join(map(message, rest)), len(rest), receipt)
            self.origins.note(origin.link, origin.epoch, origin.first + messages - 1)
        return messages

    def commit(self):
        self.committed = len(self.rows)
        self.safe_origins = list(self.origins)
        told, self.receipts = self.receipts, []
        for _, receipt, messages in told:
            receipt(messages, SAFE)

    def fetch(self, limit):
        if self.cursor >= self.committed:
            return []
        epoch, number, name = self.rows[self.cursor]
        self.cursor += 1
        return [Stored(epoch, number, 1, message(name))]

    def rewind(self, have):
        self.cursor = self.released
        while self.cursor < self.committed:
            epoch, number, _ = self.rows[self.cursor]
            if number > have.get(epoch, 0):
                break
            self.cursor += 1

    def release(self, to):
        mine = [epoch == to.epoch and number <= to.number for epoch, number, _ in self.rows]
        end = max([place for place, one in enumerate(mine, 1) if one], default=0)
        for epoch, number, name in self.rows[self.released : end]:
            if (epoch, number) in self.refusals:
                self.dropped["refused"] += 1
            else:
                self.sent += 1
                self.safe.add(name)
        self.released = max(self.released, end)
        self.cursor = max(self.cursor, end)

    def refuse(self, epoch, first, count, reason):
        self.refusals |= {(epoch, first + place) for place in range(count)}

    def crash(self, opening: int) -> None:
        """The process is gone and opens the store again."""
        self.rows = self.rows[: self.committed]
        self.origins = Origins()
        for one in self.safe_origins:
            self.origins.note(*one)
        self.receipts = []
        self.opening, self.last = opening, 0
        self.queued = self.sent + self.waiting + sum(self.dropped.values())
        self.cursor = self.committed

    @property
    def key(self):
        rows = tuple(self.rows), self.committed, self.released, self.cursor
        return *rows, self.opening, self.server, tuple(self.origins), len(self.receipts)


def names_of(chunk: bytes) -> list[int]:
    ends = [0, *boundaries(chunk)]
    return [int(unpack(chunk[a:b])[0]) for a, b in zip(ends, ends[1:], strict=False)]


class Line:
    """What is under way in both directions; the source may have given up a line that the far side
    still reads."""

    def __init__(self, remembered) -> None:
        self.remembered = remembered
        self.to_far: list = []
        self.to_source: list = []


class World:
    """Both servers and the line; each method is a step that may happen now."""

    def __init__(self, messages: int, faults: int, window: int = 100) -> None:
        self.messages, self.faults = messages, faults
        self.offered = 0
        self.openings = 1
        self.limits = SourceLimits(window)
        self.store, self.far = ModelStore(), ModelStore()
        self.backup: ModelStore | None = None
        self.lost: set[int] = set()
        """Messages that were not committed when the source crashed, or not in its backup."""
        self.engine = SourceEngine(self.store, self.limits)
        self.links = RememberedLinks()
        self.line: Line | None = None
        self.stale: Line | None = None
        self.said: MessageNumber | None = None

    # What happens without faults

    def offer(self) -> bool:
        if self.offered == self.messages:
            return False
        self.store.offer(message(self.offered), 1)
        self.offered += 1
        return True

    def commit(self) -> bool:
        done = self.store.committed < len(self.store.rows)
        self.store.commit()
        return done

    def connect(self) -> bool:
        if self.line is not None:
            return False
        self.stale = None  # fenced: no byte of the old connection is looked at any more
        source = SourceId(self.store.link, self.store.opening)
        remembered = self.links.get(source)
        self.line = Line(remembered)
        self.line.to_source += remembered.begin(source, "peer", "listener")
        self.said = remembered.tracker.acknowledged
        self.engine.connected(SERVER)
        self.say()
        return True

    def pump(self) -> bool:
        if self.line is None:
            return False
        actions = self.engine.step(not any(isinstance(x, Stored) for x in self.line.to_far))
        self.line.to_far += actions
        return bool(actions)

    def read_far(self) -> bool:
        line = self.line if self.line and self.line.to_far else self.stale
        if line is None or not line.to_far:
            return False
        one, link = line.to_far.pop(0), line.remembered
        if isinstance(one, MessageNumber):
            link.announced(one)
        elif link.again:
            link.again -= 1
            link.duplicates += 1
        else:
            number, [receipt] = link.handed(one.messages, 1)
            assert number == (one.epoch, one.first)
            self.far.accept(one.data, one.messages, RunOrigin(link.id, *number), receipt)
        self.say()
        return True

    def commit_far(self) -> bool:
        done = self.far.committed < len(self.far.rows) or bool(self.far.receipts)
        self.far.commit()
        self.say()
        return done

    def say(self) -> None:
        """The far side says what it has to, at the end of a turn."""
        if self.line is None:
            return
        tracker = self.line.remembered.tracker
        self.line.to_source += tracker.take_refusals()
        if tracker.acknowledged not in (None, self.said):
            self.said = tracker.acknowledged
            self.line.to_source.append(Ack(*tracker.acknowledged))

    def read_source(self) -> bool:
        if self.line is None or not self.line.to_source:
            return False
        one = self.line.to_source.pop(0)
        if isinstance(one, Have):
            self.engine.have(one.epochs)
        elif isinstance(one, Ack):
            self.engine.acknowledged(MessageNumber(one.epoch, one.number))
        elif isinstance(one, Nack):
            self.engine.refused(one.epoch, one.first, one.messages, one.reason)
        return True

    # Faults

    def cut(self) -> bool:
        """The source notices first; the far side goes on reading what is under way."""
        if self.line is None:
            return False
        self.stale, self.line = self.line, None
        self.stale.to_source = []
        self.engine.disconnected()
        return True

    def lose(self) -> bool:
        """The line is cut, and what was under way is gone."""
        self.stale = None
        if self.line is None:
            return False
        self.line = None
        self.engine.disconnected()
        return True

    def crash_source(self) -> bool:
        self.stale, self.line = self.line or self.stale, None
        self.lost |= {name for _, _, name in self.store.rows[self.store.committed :]}
        self.openings += 1
        self.store.crash(self.openings)
        self.engine = SourceEngine(self.store, self.limits)
        return True

    def crash_far(self) -> bool:
        self.line = self.stale = None
        if self.engine.state != CLOSED:
            self.engine.disconnected()
        self.far.crash(self.openings)
        self.links = RememberedLinks()
        return True

    def back_up(self) -> bool:
        if self.backup is not None or not self.store.rows:
            return False
        self.backup = deepcopy(self.store)
        return True

    def restore(self) -> bool:
        """The source crashes, and its backup is put in the place of its store."""
        if self.backup is None:
            return False
        before = self.store
        self.crash_source()
        self.store = deepcopy(self.backup)
        self.openings += 1
        self.store.crash(self.openings)
        self.engine = SourceEngine(self.store, self.limits)
        held = {name for _, _, name in self.store.rows}
        self.lost |= {name for _, _, name in before.rows} - held - before.safe
        return True

    NORMAL = (offer, commit, connect, pump, read_far, commit_far, read_source)
    FAULTS = (cut, lose, crash_source, crash_far, back_up, restore)

    @property
    def key(self):
        engine = self.engine
        line = self.line and (
            tuple(map(str, self.line.to_far)),
            tuple(map(str, self.line.to_source)),
        )
        stale = self.stale and tuple(map(str, self.stale.to_far))
        links = tuple(
            (one.next, tuple(one.numbers.items()), one.tracker.acknowledged, one.tracker.incomplete)
            for one in self.links
        )
        mine = self.offered, self.faults, self.openings, self.said, tuple(sorted(self.lost))
        sending = engine.state, engine.in_flight, engine._next, tuple(map(str, engine._fetched))
        backup = self.backup and self.backup.key
        return mine, self.store.key, self.far.key, sending, line, stale, links, backup

    def check(self) -> None:
        """What has to be true in every state."""
        arrived = [name for _, _, name in self.far.rows]
        assert len(arrived) == len(set(arrived)), f"doubled: {arrived}"
        assert arrived == sorted(arrived), f"order: {arrived}"
        kept = {name for _, _, name in self.far.rows[: self.far.committed]}
        assert self.store.safe <= kept, f"acknowledged and lost: {self.store.safe - kept}"
        store = self.store
        assert store.queued == store.sent + sum(store.dropped.values()) + store.waiting

    def drain(self) -> None:
        """Without faults everything that was committed arrives, once, and is acknowledged."""
        self.offered = self.messages
        for _ in range(200):
            if not any([step(self) for step in self.NORMAL]):
                break
        self.check()
        arrived = {name for _, _, name in self.far.rows}
        known = {name for _, _, name in self.store.rows}
        assert known <= arrived, f"lost: {known - arrived}"
        assert self.store.waiting == 0, f"not acknowledged: {self.store.waiting}"
