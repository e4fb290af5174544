"""What send and listen share: addresses of a configuration, lines."""

import json

import pytest

from ccproxy.commands import common
from ccproxy.commands.frames import addresses, frame_text, json_of, line_of

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = local
[listen:jobs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:5557
type = bus
[listen:calls]
protocol = zmq
socket = router
address = tcp://127.0.0.1:5559
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:5556
"""


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"", '""'),
        ("Grüße".encode(), "Grüße"),
        (b"\0\xfe\r\n", r"\x00\xfe\r\n"),
        (b"\x1b[31m", r"\x1b[31m"),
        (b"y" * 201, "y" * 180 + "... (201 characters)"),
    ],
)
def test_a_frame_is_a_text_of_one_line(frame, text):
    assert frame_text(frame) == text


def test_lines_are_bounded_and_json_is_whole():
    assert line_of([b"a", b""]) == 'a | ""'
    assert len(line_of([b"\xff" * 10_000] * 1000)) < 25 * 200
    assert json.loads(json_of([b"x" * 10_000] * 30))["frames"] == ["x" * 10_000] * 30
    assert "\x1b" not in json_of([b"\x1b"]) and "\n" not in json_of([b"\n"])


def test_addresses_for_each_socket(ini):
    plan, _ = common.load(ini(INI))
    assert plan is not None
    found = {kind: list(addresses(plan, kind)) for kind in ("sub", "push", "req", "pull", "pub")}
    assert found == {
        "sub": ["tcp://127.0.0.1:5556"],
        "push": ["tcp://127.0.0.1:5557"],
        "req": ["tcp://127.0.0.1:5559"],
        "pull": [],
        "pub": [],
    }


def test_addresses_of_devices(ini):
    words = {"forwarder": 1, "streamer": 3, "queue": 5}
    sections = [
        f"[h:{word}]\nhandler = {word}\nin = tcp://127.0.0.1:{n}\nout = tcp://127.0.0.1:{n + 1}\n"
        for word, n in words.items()
    ]
    head = "[ccserver]\ncc-socket = tcp://127.0.0.1:9\ncc-role = local\n[routes]\n"
    plan, problems = common.load(ini(head + "".join(sections)))
    assert plan is not None and problems == []
    kinds = ("pub", "sub", "push", "pull", "req", "rep")
    found = [list(addresses(plan, kind)) for kind in kinds]
    assert found == [[f"tcp://127.0.0.1:{n}"] for n in range(1, 7)]
