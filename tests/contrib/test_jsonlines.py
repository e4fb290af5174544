"""The example of a protocol in one drop-in file: a real server, its limits, fates and ledger."""

import json
import re
import signal
import socket
from pathlib import Path

from ccproxy.commands import common
from ccproxy.testing import running_server

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
INI = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
plugins = {PLUGINS}
[listen:lines]
protocol = jsonlines
address = tcp://127.0.0.1:PORT2
longest = 200
[routes]
hello = h:hello
[h:hello]
handler = hello
"""


def connect(server):
    return socket.create_connection(("127.0.0.1", server.ports["PORT2"]), timeout=20)


def test_lines_go_in_and_replies_come_out_and_each_has_a_fate():
    with running_server(INI, 30) as server:
        with connect(server) as sock, sock.makefile("rb") as lines:
            sock.sendall(b'{"type": "hello.you", "name": "A')
            sock.sendall(
                b'nn"}\nnonsense\n[1]\n{"type": "nowhere"}\n{"type": "hello", "name": 1}\n'
            )
            first, second = json.loads(lines.readline()), json.loads(lines.readline())
            assert first == {"type": "reply.hello.you", "text": "Hello, Ann!"}
            assert second["text"] == "Hello, 1!"
            sock.sendall(b'{"type": "hello", "name": "' + b"x" * 300)
            assert lines.readline() == b""
        server.wait_for("a line is longer than longest")
        assert server.stop() == 0
        ledger = server.wait_for("ledger received=")
    counts = dict(re.findall(r"(\S+)=(\d+)", ledger.partition("ledger ")[2]))
    assert counts == {"received": "6", "replied": "2", "unrouted": "1", "malformed": "3"}
    [box] = [one for one in server.lines if "outbox name=listen:lines peers gone" in one]
    assert "queued=2 sent=2 waiting=0" in box


def test_a_peer_that_does_not_read_is_bounded():
    ini = INI.replace("longest = 200", "longest = 100000\npeer-queue = 200 KiB")
    with running_server(ini, 30) as server:
        with connect(server) as sock:
            line = json.dumps({"type": "hello", "name": "x" * 50_000}).encode() + b"\n"
            for _ in range(400):
                sock.sendall(line)
            server.wait_for("reason=full", 30)
            with connect(server) as other, other.makefile("rb") as lines:
                other.sendall(b'{"type": "hello", "name": "B"}\n')
                assert json.loads(lines.readline())["text"] == "Hello, B!"
        assert server.stop() == 0


def test_check_knows_its_options_and_its_own_check(tmp_path):
    def problems(*lines):
        text = INI.replace("PORT1", "1").replace("PORT2", "2")
        text = text.replace("longest = 200", "\n".join(lines))
        (tmp_path / "x.ini").write_text(text)
        return [str(one) for one in common.load(tmp_path / "x.ini")[1]]

    assert problems("longest = 2 MiB", "max-peers = 3") == []
    [wrong] = problems("longst = 3")
    assert wrong.endswith('unknown option "longst" in [listen:lines]; did you mean "longest"?')
    [small] = problems("longest = 2 MiB", "peer-queue = 1 MiB")
    assert ":9: [listen:lines]: longest is more than peer-queue" in small


def test_it_is_one_short_file():
    assert len((PLUGINS / "jsonlines.py").read_text().splitlines()) <= 60


def test_a_reload_takes_its_options_over():
    with running_server(INI, 30) as server:
        file = server.directory / "server.ini"
        with connect(server) as sock, sock.makefile("rb") as lines:
            file.write_text(file.read_text().replace("longest = 200", "longest = 1000"))
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("reloaded: listeners changed: listen:lines", 20)
            sock.sendall(json.dumps({"type": "hello", "name": "y" * 300}).encode() + b"\n")
            assert json.loads(lines.readline())["text"].endswith("y!")


def test_half_a_line_is_not_waited_for():
    """By the plugin's one line `self.held = ...`."""
    with running_server(INI.replace("longest = 200", "handshake-timeout = 100 ms"), 30) as server:
        with connect(server) as sock, sock.makefile("rb") as lines:
            sock.sendall(b'{"type": "hello.you", "name": "A"}\n{"type"')
            assert lines.readline() and lines.read() == b""
        server.wait_for("a message that has begun is not whole within 0.1 s")
