"""Chunks of messages that wait: what `peek` gives, and where chunks are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.chunk_queue import ChunkQueue
from ccproxy.core.memory import CHUNK_COST, Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.wire.zmtp.frames import pack

ONE, TWO, THREE = (pack([name]) for name in (b"1", b"22", b"333"))


def filled(*chunks: tuple[bytes, int], whole: bool = False) -> ChunkQueue:
    queue = ChunkQueue(whole, Memory())
    for chunk, messages in chunks:
        queue._chunks.append((chunk, messages))
        queue.bytes += len(chunk)
        queue.waiting += messages
    return queue


def test_peek_gives_no_more_buffers_than_asked_for() -> None:
    queue = filled((ONE, 1), (TWO, 1), (THREE, 1))
    assert queue.peek(2) == [ONE, TWO]
    assert queue.peek(9) == [ONE, TWO, THREE]
    assert filled().peek(2) == []


def test_peek_leaves_out_what_is_sent() -> None:
    queue = filled((ONE + TWO, 2), (THREE, 1))
    assert not queue.half_sent
    queue._offset = 2
    assert queue.half_sent
    assert [bytes(one) for one in queue.peek(9)] == [(ONE + TWO)[2:], THREE]
    assert queue.first() == (ONE + TWO, 2)


@given(st.integers(1, len(ONE + TWO + THREE) - 1))
def test_what_is_sent_as_a_whole_is_cut_off(offset: int) -> None:
    queue = filled((ONE + TWO + THREE, 3))
    queue._offset = offset
    sent = (offset >= len(ONE)) + (offset >= len(ONE + TWO))
    assert queue._cut_sent() == sent
    assert queue.waiting == 3 - sent
    left = b"".join([ONE, TWO, THREE][sent:])
    assert queue.first() == (left, offset - len(ONE + TWO + THREE) + len(left))


def test_the_first_chunk_is_opened_into_its_messages() -> None:
    queue = filled((ONE + TWO, 2), (THREE, 1))
    queue._open_first()
    assert list(queue._chunks) == [(ONE, 1), (TWO, 1), (THREE, 1)]
    assert queue.memory.used == CHUNK_COST
    queue._open_first()
    assert len(queue.peek(9)) == 3


@pytest.mark.parametrize("whole", [False, True])
def test_a_unit_of_another_protocol_is_never_cut(whole: bool) -> None:
    ends = list(filled(whole=whole)._ends(ONE + TWO))
    assert ends == ([len(ONE + TWO)] if whole else [len(ONE), len(ONE + TWO)])


@given(st.integers(0, 40))
def test_some_chunks_are_taken_out_and_put_back_with_what_they_cost(most: int) -> None:
    queue = Outbox("q", Limits())
    chunks = [(ONE + TWO, 2), (THREE, 1), (ONE, 1)]
    for chunk, messages in chunks:
        queue.offer(chunk, messages)
    before = queue.memory.used, queue.bytes, queue.waiting
    taken = queue._pop_some(most)
    data = b"".join(chunk for chunk, _ in taken)
    assert (not most and not taken) or len(data) >= min(most, queue.bytes + len(data))
    assert queue.bytes == before[1] - len(data)
    assert queue.waiting == before[2] - sum(messages for _, messages in taken)
    assert queue.memory.used == queue.bytes + CHUNK_COST * len(queue.peek(9))
    queue._put_first(taken)
    assert (queue.bytes, queue.waiting) == before[1:]
    assert b"".join(queue.peek(9)) == ONE + TWO + THREE + ONE


def test_everything_is_taken_out() -> None:
    queue = Outbox("q", Limits())
    queue.offer(ONE + TWO, 2)
    queue.offer(THREE, 1)
    assert queue._pop_all() == [(ONE + TWO, 2), (THREE, 1)]
    assert (queue.bytes, queue.waiting, queue.memory.used, queue.peek(9)) == (0, 0, 0, [])
