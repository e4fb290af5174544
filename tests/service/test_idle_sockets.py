"""Idle connections that a thread waits for."""

import selectors
import socket
import threading

import pytest

from ccproxy.service.idle_sockets import IdleSockets

SECONDS = 60.0


class Loop:
    """A thread with a selector, as the control link has one."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.waker, self.wakes = socket.socketpair()
        self.selector.register(self.wakes, selectors.EVENT_READ)
        self.idle = IdleSockets(self.selector, lambda: self.waker.send(b"!"))
        self.running = True
        self.idle.thread = threading.Thread(target=self.run)
        self.idle.thread.start()

    def run(self):
        while self.running:
            for key, _ in self.selector.select(SECONDS):
                if key.fileobj is self.wakes:
                    self.wakes.recv(100)
                elif key.fileobj in self.idle:
                    self.idle.readable(key.fileobj)
            self.idle.apply()

    def stop(self):
        self.running = False
        self.waker.send(b"!")
        self.idle.thread.join(SECONDS)
        self.selector.close()
        self.waker.close()
        self.wakes.close()


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.stop()


@pytest.fixture
def pair():
    made = socket.socketpair()
    yield made
    for one in made:
        one.close()


def test_the_end_of_an_idle_connection_is_told_once(loop, pair):
    near, far = pair
    ended = threading.Event()
    loop.idle.add(near, ended.set)
    assert near in loop.idle and not ended.is_set()
    far.close()
    assert ended.wait(SECONDS)
    assert near not in loop.idle


def test_a_connection_that_is_removed_is_out_of_the_selector(loop, pair):
    near, far = pair
    ended = threading.Event()
    loop.idle.add(near, ended.set)
    loop.idle.remove(near)
    assert near not in loop.idle
    assert near not in loop.selector.get_map()
    loop.idle.remove(near)
    far.close()
    assert not ended.is_set()


def test_it_may_be_removed_in_the_thread_itself(loop, pair):
    near, far = pair
    other, peer = socket.socketpair()
    removed = threading.Event()

    def ended():
        loop.idle.remove(other)
        removed.set()

    loop.idle.add(other, lambda: None)
    loop.idle.add(near, ended)
    far.close()
    assert removed.wait(SECONDS) and other not in loop.idle
    other.close()
    peer.close()


def test_without_a_running_thread_remove_does_not_wait(pair):
    idle = IdleSockets(selectors.DefaultSelector(), lambda: None)
    idle.add(pair[0], lambda: None)
    idle.remove(pair[0])
    assert idle.thread is None
