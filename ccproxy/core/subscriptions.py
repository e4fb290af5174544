"""Which peers want which topics: the sets of prefixes, and the peers of a topic, remembered.

A topic is the first frame of a message. A peer wants it if one of its prefixes is a prefix of it.
`Subscriptions` answers for a key, a topic cut to the longest prefix there is, with an `Audience`,
and remembers the answer. A change must never walk over what is remembered: each answer carries the
version it was made for and is looked at again when it is used, by the changes since then.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from ccproxy.core.latest import LatestBox
from ccproxy.core.outbox import Outbox
from ccproxy.core.walk import MISS

REMEMBERED = 65_536
"""Keys whose audience is remembered; those that were not asked for longest are forgotten first."""
KEY_BYTES = 8 * 1024 * 1024
"""Bytes of all remembered keys."""
RECENT = 32
"""Changes that are looked at one by one when an answer is of an earlier version."""
PLACES = 1_000_000
"""Peers of all remembered audiences together: each change makes new ones."""
BUDGET = 16_384
"""Peers of the audiences that are looked up at a time, see `walk.by_topic`: about a millisecond, as
256 series of messages that go to other peers than those before them."""
STEMS = (16, 64, 256, 1024)
"""Lengths at which a look-up may end early: no longer prefix begins as the key does. Without them
1,000 lengths of prefixes cost 0.5 ms for each long key, whatever it is; with them 4 us."""
SORTED = 1000
"""Prefixes that are put in order before publishers are told of them: of more it takes too long."""


class Subscriber:
    """One peer: its outbox and its prefixes; `gone` once it has left."""

    __slots__ = ("box", "gone", "prefixes", "size")

    def __init__(self, box: Outbox | LatestBox) -> None:
        self.box = box
        self.gone = False
        self.prefixes: set[bytes] = set()
        self.size = 0
        """Bytes of all prefixes."""


class Audience:
    """The peers that want a topic; some may have left since."""

    __slots__ = ("__weakref__", "peers", "weight")

    def __init__(self, peers: tuple[Subscriber, ...]) -> None:
        self.peers = peers
        self.weight = MISS + len(peers)
        """What a series of messages for it costs, see `walk.by_topic`."""


class Wanted:
    """The peers that have one prefix; `stamp` is another number after each change."""

    __slots__ = ("peers", "stamp")

    def __init__(self) -> None:
        self.peers: dict[Subscriber, None] = {}
        self.stamp = 0


class Remembered:
    """What is remembered for a key."""

    __slots__ = ("place", "version")

    def __init__(self, place: Audience, version: int) -> None:
        self.place = place
        self.version = version


class Subscriptions:
    """The prefixes of all peers."""

    def __init__(self, changed: Callable[[bool, bytes], None] | None = None) -> None:
        """`changed` is told of the first peer that wants a prefix (True) and of the last that does
        not want it any more (False)."""
        self.version = 0
        self.longest = 0
        """Bytes of the longest prefix."""
        self.entries: dict[bytes, Remembered] = {}
        """What `by_topic` looks up."""
        self.count = 0
        """Prefixes of all peers together."""
        self._changed = changed
        self._wanted: dict[bytes, Wanted] = {}
        self._lengths: Counter[int] = Counter()
        self._sizes: tuple[int, ...] = ()
        self._stems: Counter[bytes] = Counter()
        """The beginnings of longer prefixes, at the lengths of `STEMS`."""
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._since: dict[int, tuple[bytes, ...]] = {}
        """The latest changes by their number, as they are looked at."""
        self._older: dict[bytes, Remembered] = {}
        self._bytes = 0
        self._places = 0
        self._by_stamps: dict[tuple[int, ...], Audience] = {}
        self._by_peers: dict[frozenset[Subscriber], Audience] = {}

    @property
    def prefixes(self) -> Iterable[bytes]:
        """Every prefix that a peer wants, once."""
        return self._wanted.keys()

    def remembers(self, key: bytes) -> bool:
        """True if the audience of a key is remembered."""
        return key in self.entries or key in self._older

    def wanted(self, prefix: bytes) -> int:
        """How many peers want a prefix."""
        found = self._wanted.get(prefix)
        return len(found.peers) if found is not None else 0

    def subscribe(self, peer: Subscriber, prefix: bytes) -> bool:
        """Add a prefix; False if the peer has it already."""
        if prefix in peer.prefixes:
            return False
        peer.prefixes.add(prefix)
        peer.size += len(prefix)
        self.count += 1
        first = prefix not in self._wanted
        wanted = self._wanted.setdefault(prefix, Wanted())
        wanted.peers[peer] = None
        wanted.stamp = self._note(prefix, +1)
        if first and self._changed is not None:
            self._changed(True, prefix)
        return True

    def cancel(self, peer: Subscriber, prefix: bytes) -> bool:
        """Take a prefix away; False if the peer does not have it."""
        if prefix not in peer.prefixes:
            return False
        peer.prefixes.discard(prefix)
        self._end(peer, prefix)
        return True

    def leave(self, peer: Subscriber) -> None:
        """A peer is gone: it gets nothing more. Its prefixes go with `forget`, in steps."""
        peer.gone = True

    def forget(self, peer: Subscriber, most: int) -> bool:
        """Take away up to `most` prefixes of a peer that is gone; True if it has none left.

        They go in the order of their bytes, as in libzmq, unless there are very many.
        """
        prefixes = peer.prefixes
        if len(prefixes) <= SORTED:
            for prefix in sorted(prefixes)[:most]:
                prefixes.remove(prefix)
                self._end(peer, prefix)
            return not prefixes
        for _ in range(min(most, len(prefixes))):
            self._end(peer, prefixes.pop())
        return False

    def resolve(self, key: bytes) -> Remembered:
        """The peers that want the topics of a key: remembered, and right for this version."""
        entry = self.entries.get(key) or self._older.pop(key, None)
        if entry is None:
            entry = Remembered(self._match(key), self.version)
        elif not self._still(entry, key):
            entry.place = self._match(key)
        entry.version = self.version
        if key not in self.entries:
            self._remember(key, entry)
        return entry

    def _end(self, peer: Subscriber, prefix: bytes) -> None:
        """A prefix has gone from the set of a peer: count it, and tell if it was the last."""
        peer.size -= len(prefix)
        self.count -= 1
        wanted = self._wanted[prefix]
        del wanted.peers[peer]
        if not wanted.peers:
            del self._wanted[prefix]
        wanted.stamp = self._note(prefix, -1)
        if not wanted.peers and self._changed is not None:
            self._changed(False, prefix)

    def _note(self, prefix: bytes, step: int) -> int:
        """Record that a prefix has come or gone; the new version."""
        self.version += 1
        self._recent.append(prefix)
        self._since.clear()
        size = len(prefix)
        self._lengths[size] += step
        if self._lengths[size] == (step > 0):  # the first of its length, or the last
            if not self._lengths[size]:
                del self._lengths[size]
            self._sizes = tuple(sorted(self._lengths))
            self.longest = self._sizes[-1] if self._sizes else 0
        for stem in STEMS:
            if size <= stem:
                break
            self._count_stem(prefix[:stem], step)
        return self.version

    def _count_stem(self, stem: bytes, step: int) -> None:
        self._stems[stem] += step
        if not self._stems[stem]:
            del self._stems[stem]

    def _still(self, entry: Remembered, key: bytes) -> bool:
        """True if no change since the entry's version concerns the key."""
        behind = self.version - entry.version
        if not behind or behind > len(self._recent):
            return not behind
        since = self._since.get(behind)
        if since is None:
            since = self._since[behind] = tuple(self._recent)[-behind:]
        return not key.startswith(since)

    def _match(self, key: bytes) -> Audience:
        nodes = []
        reach = self._reach(key)
        for size in self._sizes:
            if size > reach:
                break
            if (wanted := self._wanted.get(key[:size])) is not None:
                nodes.append(wanted)
        stamps = tuple([wanted.stamp for wanted in nodes])
        found = self._by_stamps.get(stamps)
        if found is None:
            self._places += len(stamps) + 1
            if self._places > PLACES // 2:
                self._renew()
            found = self._by_stamps[stamps] = self._shared(nodes)
        return found

    def _reach(self, key: bytes) -> int:
        """The length of the longest prefix that can be one of this key."""
        for stem in STEMS:
            if self.longest <= stem or len(key) <= stem:
                break
            if key[:stem] not in self._stems:
                return stem
        return len(key)

    def _shared(self, nodes: list[Wanted]) -> Audience:
        """One Audience for the same peers, so that messages for them stay together."""
        peers = frozenset(peer for wanted in nodes for peer in wanted.peers if not peer.gone)
        known = self._by_peers.get(peers)
        if known is None:
            self._places += len(peers)
            known = self._by_peers[peers] = Audience(tuple(peers))
        return known

    def _remember(self, key: bytes, entry: Remembered) -> None:
        """Remember a key among the new ones; once these are half of all, the older ones go."""
        if len(self.entries) >= REMEMBERED // 2 or self._bytes + len(key) > KEY_BYTES // 2:
            self._age()
        self.entries[key] = entry
        self._bytes += len(key)

    def _age(self) -> None:
        self._older, self.entries, self._bytes = self.entries, {}, 0

    def _renew(self) -> None:
        """Forget which audiences there are: they go with the keys that still have them."""
        self._by_stamps, self._by_peers, self._places = {}, {}, 0
        self._age()
