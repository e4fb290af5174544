"""The verb send, to a ROUTER that answers as the test wants."""

import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from ccproxy import cli
from ccproxy.commands import common
from ccproxy.commands.frames import address_for
from ccproxy.commands.send import address_of
from ccproxy.testing import running_server
from ccproxy_handlers.locallogger import line
from tests.client.fake_server import FakeServer


@pytest.fixture
def server():
    """A ROUTER: its address, the messages that arrived, the number of answers to each."""

    class Server:
        answers = 0
        seen: list[list[bytes]] = []

        def __init__(self):
            self.context = zmq.Context()
            self.router = self.context.socket(zmq.ROUTER)
            port = self.router.bind_to_random_port("tcp://127.0.0.1")
            self.address = f"tcp://127.0.0.1:{port}"
            self.seen = []
            self.end = threading.Event()
            self.arrived = threading.Event()
            self.thread = threading.Thread(target=self.work)
            self.thread.start()

        def work(self):
            while not self.end.is_set():
                if self.router.poll(20):
                    self.take(self.router.recv_multipart())
            self.router.close(linger=0)

        def take(self, frames):
            cut = frames.index(b"")
            self.seen.append(frames[cut + 1 :])
            self.arrived.set()
            for number in range(self.answers):
                body = json.dumps({"req": "reply", "number": number, "blob_hash": ""}).encode()
                blob = [b"12345"] if number else []
                self.router.send_multipart([*frames[:cut], b"", b"reply", body, b"", *blob])

    made = Server()
    yield made
    made.end.set()
    made.thread.join()
    made.context.term()


def test_without_waiting(server, call):
    assert call("send", server.address, "log.info", '{"log_msg": "hällo"}') == (0, "", "")
    assert server.arrived.wait(60)
    [[kind, body, signature]] = server.seen
    assert (kind, signature) == (b"log.info", b"")
    fields = json.loads(body)
    assert (fields["req"], fields["log_msg"]) == ("log.info", "hällo")
    assert fields["time"] and fields["hostname"]


def test_replies_are_printed(server, call):
    server.answers = 2
    status, out, err = call("send", server.address, "x", "--wait", 2)
    first, second = out.splitlines()
    assert (status, err) == (0, "")
    assert first.startswith('reply {"req": "reply", "number": 0')
    assert second.endswith(" blob=5")


def test_no_more_than_wanted_are_waited_for(server, call):
    server.answers = 3
    status, out, _ = call("send", server.address, "x", "--wait", "1", "--timeout", "60")
    assert (status, len(out.splitlines())) == (0, 1)


def test_fewer_replies_than_wanted(server, call):
    server.answers = 1
    status, out, err = call("send", server.address, "x", "--wait", "2", "--timeout", "6")
    assert (status, len(out.splitlines())) == (1, 1)
    assert err == "ccserver: 1 of 2 replies came, then none for 6 s\n"


def test_no_reply(server, call):
    status, out, err = call("send", server.address, "x", "--wait", "1", "--timeout", "6")
    assert (status, out) == (1, "")
    assert "no answer to x in 6 s; if it asks for a key or a password, send with" in err


def test_a_receipt_is_printed(call):
    with FakeServer() as server, ThreadPoolExecutor() as pool:
        words = ("send", "--confirm", "--timeout", "60", server.address, "a.b")
        sent = pool.submit(call, *words)
        server.probed()
        peer = server.greeted()
        peer.read_word()
        assert peer.read_numbers(1) == [1]
        peer.acknowledge(1)
        assert sent.result(60) == (0, "safe\n", "")


def test_a_refusal_is_the_exit_status(call):
    with FakeServer() as server, ThreadPoolExecutor() as pool:
        sent = pool.submit(call, "send", "--confirm", "--timeout", "60", server.address, "a.b")
        server.probed()
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        peer.refuse(1, 1, "full")
        peer.acknowledge(1)
        said = "ccserver: the server has refused the message: full\n"
        assert sent.result(60) == (1, "", said)


def test_a_server_without_receipts(server, call):
    status, out, err = call("send", "--confirm", "--timeout", "60", server.address, "a.b")
    assert (status, out) == (1, "")
    assert "the server gives no receipts" in err


@pytest.mark.parametrize("words", [("--wait", "1"), ("--socket", "push")])
def test_a_receipt_goes_with_no_other_way_to_send(call, words):
    status, _, err = call("send", "--confirm", *words, "tcp://127.0.0.1:1", "a.b")
    assert (status, "--confirm goes with neither" in err) == (2, True)


@pytest.fixture
def keyed(tmp_path):
    """A server whose one address asks for keys, with its own; and its file."""
    cert = tmp_path / "server"
    assert cli.main(["keygen", str(cert)]) == 0
    text = (
        f"[ccserver]\ncc-socket = tcp://127.0.0.1:PORT1\ncc-role = remote\n"
        f"curve-secret = {cert}.key_secret\ncurve-allow = any\n"
        "[routes]\necho = h:echo\n[h:echo]\nhandler = echo\n"
    )
    with running_server(text) as server:
        yield server, str(server.directory / "server.ini"), f"{cert}.key"


def test_a_listener_that_asks_for_keys(call, keyed):
    server, file, key = keyed
    how = "send with --curve-server or --plain"
    status, _, err = call("send", file, "echo.request", "{}")
    assert (status, err) == (
        2, f"ccserver: {server.address()} takes no peer without a key or a password; {how}\n"
    )  # fmt: skip
    quick = ("--timeout", "0.5")
    for words in (
        (server.address(), "echo.request", "{}", *quick),
        (server.address(), "echo.request", "{}", "--wait", "1", *quick),
        ("--socket", "dealer", server.address(), "", "echo.request", "{}", *quick),
    ):
        status, _, err = call("send", *words)
        assert status == 1 and how in err, words
    for to in (file, server.address()):
        words = ("send", "--curve-server", key, to, "echo.request", '{"target": "me"}')
        assert call(*words) == (0, "", "")
        assert call(*words, "--confirm", "--timeout", "60") == (0, "safe\n", "")
        status, out, err = call(*words, "--wait", "1")
        assert (status, err) == (0, "") and out.startswith("echo.response ")
    assert call(*words, "--wait", "2", "--timeout", "6")[::2] == (
        1, "ccserver: 1 of 2 replies came, then none for 6 s\n"
    )  # fmt: skip
    other = file.replace("server.ini", "other")
    assert cli.main(["keygen", other]) == 0
    status, _, err = call("send", "--curve-server", f"{other}.key", server.address(), "x", *quick)
    assert status == 1 and "the log of its server says" in err
    words = ("--confirm", "--curve-server", f"{other}.key", server.address(), "x")
    status, _, err = call("send", *words, *quick)
    assert status == 1 and "no receipt for x in 0.5 s; " in err and "was not sent" in err


def test_body_of_stdin_and_blob_of_a_file(server, call, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": [1, {"b": 2}]}'))
    (tmp_path / "blob").write_bytes(b"\0\1\2")
    assert call("send", server.address, "pub.infofile", "-", tmp_path / "blob")[0] == 0
    assert server.arrived.wait(60)
    [[_, body, _, blob]] = server.seen
    assert json.loads(body)["a"] == [1, {"b": 2}]
    assert blob == b"\0\1\2"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["tcp://127.0.0.1:1", "a b"], "invalid message type"),
        (["tcp://127.0.0.1:1", "x", "{"], "the body is no JSON"),
        (["tcp://127.0.0.1:1", "x", "[1]"], "must be a JSON object"),
        (["tcp://127.0.0.1:1", "x", "{}", "/nonexistent"], "No such file"),
        (["tcp://127.0.0.1:1", "x", "{}", "y", "z"], "frames are for --socket"),
        (["--socket", "push", "--wait", "1", "tcp://127.0.0.1:1", "x"], "nothing comes back"),
    ],
)
def test_wrong_usage(words, reason, call):
    status, _, err = call("send", *words)
    assert status == 2
    assert reason in err


def test_an_address_that_is_none(call):
    status, _, err = call("send", "nonsense://x", "x")
    assert status == 1
    assert "nonsense://x" in err


def test_a_bad_configuration(call, ini):
    status, _, err = call("send", ini("[ccserver]\n"), "x")
    assert status == 78
    assert "cc-socket" in err


def test_the_server_of_a_configuration(call, ini):
    text = (
        "[ccserver]\ncc-socket = tcp://127.0.0.1:PORT1\ncc-role = remote\n"
        "[routes]\necho = h:echo\n[h:echo]\nhandler = echo\n"
    )
    with running_server(text) as server:
        file = ini(text.replace("PORT1", str(server.ports["PORT1"])).replace("127.0.0.1", "*"))
        status, out, _ = call("send", file, "echo.request", '{"target": "me"}', "--wait", "1")
    assert status == 0
    assert out.startswith("echo.response ") and '"orig_target": "me"' in out


def test_warnings_of_a_configuration_are_for_its_server(ini, capsys):
    file = ini(
        "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n[routes]\necho = h:echo\n"
        "[h:echo]\nhandler = echo\n[listen:x]\nprotocol = zmq\nsocket = pull\ntype = x\n"
        "address = tcp://127.0.0.1:5001\n"
    )
    _, problems = common.load(Path(file))
    assert problems and all(one.warning for one in problems)
    assert address_of(file) == "tcp://127.0.0.1:5000"
    assert address_for("push", file) == "tcp://127.0.0.1:5001"
    assert capsys.readouterr().err == ""


def test_the_log_message_of_the_help_is_one_that_a_logger_understands():
    help = cli.parser_of("send").format_help()
    body = re.search(r"log\.info '(\{[^']*\})'", help)
    assert body
    value = {"hostname": "here", **json.loads(body[1])}
    assert re.fullmatch(r"\[me@here\] [\d:]+,\d{3} INFO hello", line(value))


@pytest.fixture
def bound():
    """A socket of libzmq that listens, and its address."""
    with zmq.Context() as context:
        made = []

        def bound(kind):
            made.append(context.socket(kind))
            made[-1].linger, made[-1].rcvtimeo = 0, 60_000
            port = made[-1].bind_to_random_port("tcp://127.0.0.1")
            return made[-1], f"tcp://127.0.0.1:{port}"

        yield bound
        for one in made:
            one.close()


def test_frames_of_a_push_and_a_pub(call, bound):
    far, address = bound(zmq.PULL)
    assert call("send", "--socket", "push", address, "job", "", "x", "y", "z") == (0, "", "")
    assert far.recv_multipart() == [b"job", b"", b"x", b"y", b"z"]


def test_a_pub_sends_to_the_subscribers_of_its_topic(call, bound):
    far, address = bound(zmq.SUB)
    far.subscribe(b"wea")
    found = []
    thread = threading.Thread(target=lambda: found.extend(far.recv_multipart()))
    thread.start()
    assert call("send", "--socket", "pub", "--timeout", "60", address, "weather", "snow")[0] == 0
    thread.join()
    assert found == [b"weather", b"snow"]
    words = ("--socket", "pub", "--timeout", "0.1", address, "other")
    status, _, err = call("send", *words)
    assert status == 1 and "no subscriber of this topic in time, nothing sent" in err


def test_frames_that_are_answered(call, bound):
    far, address = bound(zmq.REP)

    def answer():
        far.send_multipart([b"\x1b[0m", *far.recv_multipart()])

    for words in (["req"], ["dealer", ""]):
        thread = threading.Thread(target=answer)
        thread.start()
        kind, *empty = words
        status, out, _ = call("send", "--socket", kind, address, *empty, "what?")
        thread.join()
        shown = ['""'] * len(empty)
        assert (status, out) == (0, " | ".join([*shown, r"\x1b[0m", "what?\n"]))
    status, _, err = call("send", "--socket", "req", "--timeout", "0.1", address, "more?")
    assert status == 1 and "0 of 1 replies came" in err
    assert far.recv() == b"more?"


def test_a_frame_from_stdin_and_a_far_side_that_is_missing(call, bound, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
    far, address = bound(zmq.PULL)
    assert call("send", "--socket", "push", address, "-", "end")[0] == 0
    assert far.recv_multipart() == [b"\xff\n", b"end"]
    words = ("--socket", "dealer", "--timeout", "0.1", "tcp://127.0.0.1:1", "x")
    status, _, err = call("send", *words)
    assert status == 1 and "connection refused, nothing sent" in err


def test_a_hub_without_cc_takes_no_messages_of_cc(tmp_path, capsys):
    file = tmp_path / "hub.ini"
    file.write_text(
        "[ccserver]\n[h:jobs]\nhandler = streamer\nin = tcp://127.0.0.1:1\nout = tcp://127.0.0.1:2\n"
    )
    assert cli.main(["send", str(file), "a.b"]) == 2
    assert "has no address for messages of CC; --socket" in capsys.readouterr().err
