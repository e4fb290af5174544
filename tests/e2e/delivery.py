"""What tests of acknowledged delivery between real processes share: a source, a far side whose
handler records, a line between them that can be cut, and a sender of numbered messages.

    Sender --PORT1--> source --PORT3--> Line --PORT2--> far side --> a file with all numbers

The recorder writes the number of a message to a file before the message is acknowledged, so that a
kill of the far side is seen whole: nothing may be missing in the file.
"""

import os
import select
import socket
import struct
import threading

import zmq

from ccproxy.wire.zmtp.passwords import hashed

RECORDER = """
import os
from dataclasses import dataclass

from ccproxy import Handler, kinds, option


class Record(Handler):
    @dataclass(frozen=True, slots=True)
    class Options:
        file: str = option(kinds.text, help="file to write to")

    def __init__(self, name, options):
        super().__init__(name, options)
        self.to = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def handle(self, message):
        if message.type == "data.wrong":
            raise ValueError("a message of this type")
        os.write(self.to, message.payload[-1] + b"\\n")

    async def stop(self):
        os.close(self.to)
"""
SOURCE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
data = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
linger = 5 s
delivery = MODE
EXTRA
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
plugins = %(config_dir)s/plugins
EXTRA
[routes]
data = h:record
[h:record]
handler = record
file = %(config_dir)s/record
"""
DIRECT = {"PORT3": "PORT2"}
"""Without a line between source and far side."""


def source_ini(mode="acknowledged", extra="", **others):
    """The source; `others` are words to put in the place of words."""
    ini = SOURCE.replace("MODE", mode).replace("EXTRA", extra)
    for one, other in others.items():
        ini = ini.replace(one, other)
    return ini


def curve(tmp_path):
    """The options of a far side and of a source that prove who they are by keys."""
    for name in ("far", "near"):
        public, secret = zmq.curve_keypair()
        text = f'metadata\ncurve\n    public-key = "{public.decode()}"\n'
        (tmp_path / f"{name}.key").write_text(text, "utf-8")
        path = tmp_path / f"{name}.key_secret"
        path.write_text(f'{text}    secret-key = "{secret.decode()}"\n', "utf-8")
        path.chmod(0o600)
    allow = tmp_path / "allowed"
    allow.mkdir()
    os.link(tmp_path / "near.key", allow / "near.key")
    far = f"curve-secret = {tmp_path}/far.key_secret\ncurve-allow = {allow}"
    return far, f"curve-server = {tmp_path}/far.key\ncurve-secret = {tmp_path}/near.key_secret"


def plain(tmp_path):
    """The same by a password."""
    for name, text in (("users", f"near:{hashed(b'secret')}\n"), ("password", "secret\n")):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o600)
    near = f"plain-user = near\nplain-password-file = {tmp_path}/password"
    return f"plain-users = {tmp_path}/users", near


class FarSide:
    """Starts far sides in one folder, with handlers that record."""

    def __init__(self, start, folder):
        self._start = start
        self._folder = folder / "far"
        self.file = self._folder / "record"

    def __call__(self, extra="", ini=FAR, **handlers):
        """Start one; `handlers` are texts of plugins by name."""
        plugins = self._folder / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for name, text in {"record": RECORDER, **handlers}.items():
            (plugins / f"{name}.py").write_text(text, "utf-8")
        return self._start(ini.replace("EXTRA", extra), "far")

    @property
    def recorded(self):
        """The numbers in the file, as they came."""
        return list(map(int, self.file.read_bytes().split())) if self.file.exists() else []


class Line:
    """A TCP line from PORT3 to PORT2, which a test can stall, cut by a reset, or cut at a byte."""

    def __init__(self, ports):
        self.ports = ports
        self.listener = socket.create_server(("127.0.0.1", ports["PORT3"]), backlog=16)
        self.listener.settimeout(0.05)
        self.moving = threading.Event()
        self.moving.set()
        self.over = threading.Event()
        self.passed = 0
        self.cut_at = None
        self.cuts = 0
        self.pairs = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while not self.over.is_set():
            try:
                near, _ = self.listener.accept()
            except TimeoutError:
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.ports["PORT2"]))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            threading.Thread(target=self._relay, args=(near, far), daemon=True).start()

    def _relay(self, near, far):
        try:
            while not self.over.is_set():
                self.moving.wait(1)
                if not self.moving.is_set():
                    continue
                for one in select.select([near, far], [], [], 0.05)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is near:
                        self.passed += len(data)
                        if self.cut_at is not None and self.passed >= self.cut_at:
                            self.cut_at = None
                            self.cuts += 1
                            far.sendall(data[: len(data) // 2])
                            return
                    (far if one is near else near).sendall(data)
        except (OSError, ValueError):  # the test has closed it
            pass
        finally:
            for one in (near, far):
                reset(one)

    def stall(self):
        self.moving.clear()

    def reset(self):
        """Cut all connections; what was under way is lost."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for one in pair:
                reset(one)
        self.moving.set()

    def close(self):
        self.over.set()
        self.reset()
        self.thread.join()
        self.listener.close()


def reset(sock):
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        return
    sock.close()


class Sender(threading.Thread):
    """A client that sends numbered messages; `more` lets it send so many more."""

    def __init__(self, address, sizes=(100,), kind=zmq.DEALER):
        """The messages have these sizes in turn. Only those of a DEALER have a type."""
        super().__init__(daemon=True)
        self.address, self.kind = address, kind
        self.head = [b"", b"data.x"] if kind == zmq.DEALER else []
        self.pads = [bytes(size) for size in sizes]
        self.sent = 0
        self.wanted = 0
        self.news = threading.Condition()
        self.over = False
        self.start()

    def more(self, messages):
        with self.news:
            self.wanted += messages
            self.news.notify()

    def run(self):
        context = zmq.Context()
        sock = context.socket(self.kind)
        sock.sndtimeo = 60_000
        sock.connect(self.address)
        while True:
            with self.news:
                self.news.wait_for(lambda: self.over or self.sent < self.wanted)
                if self.sent >= self.wanted:
                    break
            pad = self.pads[self.sent % len(self.pads)]
            sock.send_multipart([*self.head, pad, b"%d" % self.sent])
            self.sent += 1
        sock.close(60_000)
        context.term()

    def finish(self):
        with self.news:
            self.over = True
            self.news.notify()
        self.join()


def link_of(server):
    """What a server says of its first link."""
    return server.status()["links"][0]


def sink_of(server):
    """What it says of the queue of that."""
    return link_of(server)["sink"]


def settled(server, messages):
    """True when everything that was sent has its end at the source."""
    sink = sink_of(server)
    return sink["queued"] >= messages and not sink["waiting"]


def in_order(numbers):
    """The numbers, each where it came first."""
    return list(dict.fromkeys(numbers))
