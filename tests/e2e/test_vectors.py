"""The original's captured behaviour against the real server; where we differ on purpose, why.

Each table of differences is complete: a case that no longer differs fails as well.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import zmq

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


SINGLE = load("echo_log_invalid")
HOPS = load("hops_fanout_ping")
SEED = load("seed_example")
QUEUES = load("filter_delay_queue")
ROUTING = load("routing")
VARIES = ("time", "hostname")


class Frame(bytes):
    """Equal to what a captured frame may be: identities vary, so do two fields of answers."""

    def __new__(cls, captured):
        made = super().__new__(cls, _bytes(captured))
        made.varies = captured.get("varies", False)
        return made

    def __eq__(self, other):
        if self.varies:
            return len(other) == 5 and other[:1] == b"\0"
        return _plain(self) == _plain(other)

    __hash__ = bytes.__hash__


def _bytes(captured):
    return bytes.fromhex(captured["hex"]) if "hex" in captured else captured["text"].encode()


def _plain(frame):
    """The JSON of an answer without what varies; anything else as it is."""
    if b"echo.response" not in frame or not frame.startswith(b"{"):
        return bytes(frame)
    value = json.loads(frame)
    return sorted((key, repr(value[key])) for key in value if key not in VARIES)


def frames(captured):
    return [Frame(one) for one in captured]


# Single messages

NOW_ANSWERED = {
    "echo-unicode-target": "the original could not convert it",
    "json-list-of-scalars-inside": "the original's reader failed on lists",
    "json-list-of-strings-inside": "the original's reader failed on lists",
}
NOW_MALFORMED = {"dest-trailing-newline": "a line break is no part of a type"}
LOGGED = {
    "crashed, dropping msg": "handler failed handler=h:",
    "CryptoContext.parse_cmsg": "handler failed handler=h:",
    "Invalid CC message": "Invalid CC message peer=",
    "dropping msg, no route": "dropping msg, no route: ",
    "unknown msg": "unknown msg: ",
    "LocalLogger.handle_msg: non-log msg": "non-log msg: ",
    "LocalLogger.handle_msg: [": "[",
}
"""What the original wrote, and what our line for it holds."""


@pytest.fixture(scope="module", autouse=True)
def utc():
    """The captured log lines are of a server in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        yield


def end(client, far, word):
    """When this message is through, everything before it has been dealt with."""
    fields = {"req": "echo.request", "time": 1, "hostname": "h", "target": "end"}
    client.send_multipart([word, b"", b"echo.request", json.dumps(fields).encode()])
    client.send_multipart([word, b"", b"px.end"])
    replies, forwarded = [], []
    while (found := client.recv_multipart())[:1] != [word]:
        replies.append(found)
    while (found := far.recv_multipart())[2:3] != [word]:
        forwarded.append(found)
    return replies, forwarded


def exchange(case, client, far):
    if case["socket"] == "DEALER":
        client.send_multipart([_bytes(one) for one in case["send"]])
        return end(client, far, b"the end")
    client.send_multipart([_bytes(one) for one in case["send"]])
    return [client.recv_multipart()], []


def test_single_messages(start, make, fill):
    """All cases on one server: replies, what is forwarded, the log, and the books at the end."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    server = start("\n".join(SINGLE["config"]))
    asked = 0
    for case in SINGLE["cases"]:
        options = {"identity": bytes.fromhex(case["identity"])} if "identity" in case else {}
        kind = getattr(zmq, case["socket"])
        client = make(kind, connect=fill("tcp://127.0.0.1:PORT1"), **options)
        replies, forwarded = exchange(case, client, far)
        client.close()
        asked += 2 * (case["socket"] == "DEALER")
        name = case["name"]
        if name in NOW_ANSWERED:
            assert len(replies) == 1 and not case["replies"], name
            continue
        assert replies == [frames(one) for one in case["replies"]], name
        assert forwarded == [frames(one) for one in case.get("forwarded", [])], name
    server.stop()
    for case in SINGLE["cases"]:
        if case["name"] not in {*NOW_ANSWERED, *NOW_MALFORMED}:
            said_alike(case, server.lines)
    ours = server.ledger()
    theirs = SINGLE["stats_at_end"]["values"]
    assert ours.pop("received") == len(SINGLE["cases"]) + asked
    assert ours["malformed"] == theirs["count.invalid"] + len(NOW_MALFORMED)
    assert ours["unrouted"] == theirs["count.dropped"]
    assert ours["discarded"] == theirs["disposed_count"]
    failed = ours["failed"] + ours["refused"]
    crypto = sum("parse_cmsg" in "".join(case.get("log", [])) for case in SINGLE["cases"])
    assert failed == theirs["count.crashed"] + crypto - len(NOW_ANSWERED)


def said_alike(case, lines):
    """Each line of the original has one of ours; those that repeat are written once."""
    for theirs in case.get("log", []):
        if "<traceback>" in theirs:
            continue
        ours = next(LOGGED[one] for one in LOGGED if one in theirs)
        if "LocalLogger" in theirs and "non-log msg: {" not in theirs:
            ours = theirs.partition("handle_msg: ")[2]
        elif "no route" in theirs:
            ours = theirs.partition("handle_cc_recv: ")[2]
        assert any(ours in line for line in lines), (case["name"], ours)


# Hops


HOP = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
echo = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT{there}
"""
ECHO = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
echo = h:echo
log = h:echo, h:drop
[h:echo]
handler = echo
[h:drop]
handler = disposer
"""


class Tap:
    """Stands between two servers and shows what passes on the link."""

    def __init__(self, make, fill, here, there):
        self.front = make(zmq.ROUTER, bind=fill(f"tcp://127.0.0.1:PORT{here}"))
        self.back = make(zmq.DEALER, connect=fill(f"tcp://127.0.0.1:PORT{there}"))

    def over(self):
        identity, *found = self.front.recv_multipart()
        # As on the wire: the side that accepts a connection puts its identity in front.
        self.back.send_multipart([identity, *found])
        return found

    def back_again(self):
        identity, *found = self.back.recv_multipart()
        self.front.send_multipart([identity, *found])
        return found


@pytest.mark.parametrize("case", ["two_proxies", "two_proxies_anonymous"])
def test_frames_on_each_link(start, make, fill, case):
    """client -> A -> B -> C and back; the tap between two servers is one more hop behind it."""
    seen = HOPS[case]
    start(ECHO.format(here=5), name="c")
    b_to_c = Tap(make, fill, 4, 5)
    start(HOP.format(here=3, there=4), name="b")
    a_to_b = Tap(make, fill, 2, 3)
    start(HOP.format(here=1, there=2), name="a")
    identity = {"identity": b"client-7"} if case == "two_proxies" else {}
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), **identity)
    client.send_multipart([_bytes(one) for one in seen["client_to_A"]])
    assert a_to_b.over() == frames(seen["A_to_B"][0])
    # B sees one hop more than the original's B did: the tap.
    to_c = b_to_c.over()
    assert to_c[2:] == frames(seen["A_to_B"][0])
    from_c = b_to_c.back_again()
    assert from_c[:2] == to_c[:2]
    back = a_to_b.back_again()
    if case == "two_proxies":
        assert from_c[2:] == frames(seen["C_to_B"][0])[1:]
        assert back == frames(seen["B_to_A"][0])
    assert client.recv_multipart() == frames(seen["A_to_client"])


def test_fan_out_gives_two_replies(start, make, fill):
    case = HOPS["fan_out_replies"]
    start(ECHO.format(here=2), name="one")
    start(ECHO.format(here=3), name="two")
    two = HOP.format(here=1, there=2).replace("h:next", "h:next, h:more", 1)
    start(two + "[h:more]\nhandler = proxy\nremote-cc = tcp://127.0.0.1:PORT3\n")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([_bytes(one) for one in case["sent"]])
    assert [client.recv_multipart() for _ in range(2)] == [frames(one) for one in case["replies"]]
    assert case["count"] == 2


def test_another_type_to_the_echo_handler(start, make, fill):
    server = start(ECHO.format(here=1))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"log.info", b"{}"])
    server.wait_for("WARNING h:echo: unknown msg: log.info")


def test_a_reply_to_a_client_that_is_gone(start, make, fill, until):
    """The request waits for the echo server; the client of the reply is gone, which is counted."""
    first = start(HOP.format(here=1, there=2), name="a")
    second = start(HOP.format(here=2, there=3), name="b")
    first.wait_for("link up")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([_bytes(one) for one in HOPS["two_proxies"]["client_to_A"]])
    probe = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    probe.send_multipart([b"", b"nowhere"])
    first.wait_for("no route: nowhere")
    client.close()
    until(lambda: first.status()["peers"] == 1)
    third = start(ECHO.format(here=3), name="c")
    second.wait_for("link up")
    probe.send_multipart([_bytes(one) for one in HOPS["two_proxies"]["client_to_A"]])
    assert probe.recv_multipart()[2] == b"echo.response"
    for server in (first, second, third):
        server.stop()
    assert first.ledger() == {
        "received": 5, "forwarded": 2, "unrouted": 1, "replied": 1, "gone": 1,
    }  # fmt: skip
    assert second.ledger() == {"received": 4, "forwarded": 2, "replied": 2}
    assert third.ledger() == {"received": 2, "replied": 2}


def test_pings_of_a_proxy(start, make, fill):
    seen = HOPS["proxy_ping"]
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    server = start(HOP.format(here=1, there=2) + "ping = yes\n")
    identity, *first = far.recv_multipart()
    template = frames(seen["ping_on_the_wire"][0])
    assert first[:2] + first[3:] == template[:2] + template[3:]
    ours, theirs = json.loads(first[2]), json.loads(template[2])
    assert set(ours) == set(theirs)
    assert ours["target"] == fill(theirs["target"])
    other = {"req": "echo.response", "orig_target": "tcp://other:1", "orig_time": 1.0,
             "orig_hostname": "h", "time": 1.0, "hostname": "h"}  # fmt: skip
    far.send_multipart([identity, b"", b"echo.response", json.dumps(other).encode(), b""])
    server.wait_for("unknown pong: tcp://other:1")
    late = {**other, "orig_target": ours["target"], "orig_time": ours["time"] - 30}
    far.send_multipart([identity, b"", b"echo.response", json.dumps(late).encode(), b""])
    line = server.wait_for("too late pong: 3")
    assert re.search(r"INFO h:next: too late pong: 3\d\.\d+ s \(tcp://", line)
    odd = seen["other_type_with_empty_first_frame"]
    far.send_multipart([identity, *[_bytes(one) for one in odd["frames"]]])
    server.wait_for("unknown msg: log.info")
    far.send_multipart([identity, *[_bytes(one) for one in seen["pong_without_fields"]["frames"]]])
    server.wait_for("ERROR CCServer")
    far.send_multipart([identity, *map(_bytes, seen["no_delimiter_from_remote"]["frames"])])
    times = [ours["time"]]
    for _ in range(3):  # a pause of the server is made up for by one ping at once
        times.append(json.loads(far.recv_multipart()[3])["time"])
        if times[-1] - times[-2] > 0.9:
            break
    assert 0.9 < times[-1] - times[-2] < 30
    server.stop()
    ledger = server.ledger()
    assert (ledger["received"], ledger["gone"]) == (5, 1)


# The example of the proxy document


def test_the_example_of_two_sites_and_six_masters(start, make, fill, ports, until):
    """Three servers and six masters; `ping` on, so pings arrive among the messages."""
    for number, word in enumerate(("22632", "22640", "22650"), 1):
        ports[word] = ports[f"PORT{number}"]
    masters = {}
    for site, decade in (("lux", 4), ("dub", 5)):
        for unit, kind in ((1, "info"), (2, "log"), (3, "task")):
            ports[f"226{decade}{unit}"] = ports[f"PORT{3 * decade - 8 + unit}"]
            address = f"tcp://127.0.0.1:{ports[f'226{decade}{unit}']}"
            masters[f"{site}/{kind}"] = make(zmq.ROUTER, bind=address)
    servers = {}
    for name in ("dst-lux", "dst-dub", "src"):
        text = re.sub(r"226\d\d", lambda word: str(ports[word[0]]), "\n".join(SEED["config"][name]))
        text = text.replace("~/pid/", "%(config_dir)s/").replace("~/log/", "%(config_dir)s/")
        servers[name] = start(text, name=name)
    for name, links in (("src", 2), ("dst-lux", 3), ("dst-dub", 3)):
        servers[name].wait_for_count("link up", links)
    client = make(zmq.DEALER, connect=f"tcp://127.0.0.1:{ports['22632']}")
    for case in SEED["cases"]:
        client.send_multipart([_bytes(one) for one in case["send"]])
        for place in case["arrives_at"]:
            found = arrived(masters[place])
            assert len(found) == len(case["frames_at_first"])
            assert [f[:1] for f in found[:3]] == [b"\0"] * 3
            assert found[3:] == frames(case["frames_at_first"])[3:]
        for reply in case["replies"]:
            assert client.recv_multipart() == frames(reply)
    last = SEED["reply_over_three_hops"]
    client.send_multipart([_bytes(one) for one in last["at_the_masters"][0][3:]])
    for site, reply in zip(("lux", "dub"), last["replies"], strict=True):
        found = arrived(masters[f"{site}/task"])
        assert found[3:] == frames(last["at_the_masters"][0])[3:]
        masters[f"{site}/task"].send_multipart([*found[:3], *[_bytes(one) for one in reply]])
    replies = [client.recv_multipart() for _ in range(2)]
    assert sorted(replies) == sorted(frames(one) for one in last["replies"])
    for line in SEED["no_route_log"]:
        servers["src"].wait_for(line.partition("handle_cc_recv: ")[2])
    log = servers["src"].directory / "server.log"
    until(lambda: log.read_text().count("no route") == 2)
    assert (servers["src"].directory / "server.pid").exists()


def arrived(master):
    """The next message that is no ping."""
    while True:
        found = master.recv_multipart()
        if found[1] != b"":
            return found


# Filter, delay, queue of a dead link


FILTERED = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
* = h:filter
end = h:drop
[h:filter]
handler = filter
forward-to = h:next
{}
[h:drop]
handler = disposer
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""


@pytest.mark.parametrize("case", QUEUES["filter"], ids=lambda case: case["name"])
def test_filter(start, dial, await_dial, case):
    server = start(FILTERED.format("\n".join(case["options"])))
    far = await_dial("PORT2").greet()
    wire = dial().greet()
    for type in case["passed"]:
        wire.send(b"", type.encode(), b"{}")
    passed = [type for type, passes in case["passed"].items() if passes]
    assert [far.message()[2] for _ in passed] == [type.encode() for type in passed]
    wire.send(b"", b"not a type")
    server.wait_for("Invalid CC message")
    wire.sock.close()
    far.sock.close()
    server.stop()
    count = {"received": 7, "forwarded": len(passed), "discarded": 6 - len(passed), "malformed": 1}
    assert server.ledger() == {fate: number for fate, number in count.items() if number}


def test_delay_keeps_the_order_and_loses_what_waits_at_stop(start, make, fill):
    """The original looked every 250 ms; ours are passed on when they are due."""
    ini = FILTERED.format("").replace("handler = filter", "handler = delay\ndelay = 400 ms")
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    server = start(ini)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for number in range(3):
        client.send_multipart([b"", b"pub", b"%d" % number])
    assert [far.recv_multipart()[-1] for _ in range(3)] == [b"0", b"1", b"2"]
    server.stop()
    server = start(ini.replace("400 ms", "60 s"))
    client.send_multipart([b"", b"pub", b"late"])
    client.send_multipart([b"", b"end"])
    client.send_multipart([b"", b"not a type"])
    server.wait_for("Invalid CC message")
    server.stop()
    assert server.count("lost=2")
    assert QUEUES["delay"]["message_queued_at_stop"] == "lost"


DEFAULT_HWM = "without the option the queue has no limit of messages, only one of 64 MiB"


@pytest.mark.parametrize("case", QUEUES["remote_down"]["cases"], ids=lambda c: c["zmq_hwm"])
def test_the_queue_of_a_link_that_is_down(start, dial, make, fill, case):
    hwm = case["zmq_hwm"]
    default = isinstance(hwm, str)
    option = "" if default else f"zmq_hwm = {hwm}\n"
    server = start(HOP.format(here=1, there=2) + option)
    wire = dial().greet()
    for number in range(case["sent"]):
        wire.send(b"", b"echo.request", b"%d" % number)
    wire.send(b"", b"nowhere")
    server.wait_for("no route: nowhere")
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    kept = case["sent"] if default else case["arrived_after_start_of_remote"]
    assert [int(far.recv_multipart()[-1]) for _ in range(kept)] == list(range(kept))
    server.stop()
    dropped = server.outboxes()["h:next"].get("dropped-full", 0)
    assert dropped == (0 if default else case["stats"].get("count.dropped", 0)), DEFAULT_HWM


def test_a_handler_that_fails_does_not_stop_the_later_ones(start, make, fill):
    """The original skipped them."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    ini = HOP.format(here=1, there=2).replace("h:next", "h:echo, h:next", 1)
    server = start(ini + "[h:echo]\nhandler = echo\n")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"echo.request", b'{"req": "echo.request"}'])
    assert far.recv_multipart()[3] == b"echo.request"
    server.wait_for("handler failed handler=h:echo type=echo.request messages=1: UnreadableField")


# Routing

WITNESS = '''"""Says that it was reached."""
from ccproxy import Handler, Reply

class Witness(Handler):
    def handle(self, message):
        return Reply("reached", {"name": self.name})
'''
REFUSED = {
    "duplicate-route": "a route given twice is a problem",
    "colon-separator": 'only "=" separates, because types and addresses have colons',
    "default-section": "[DEFAULT] never makes routes",
    "route-trailing-dot": "a prefix that never matches is a problem",
    "route-partial-star": "a prefix that never matches is a problem",
    "route-empty-prefix": "a prefix that never matches is a problem",
}
REACHED = {"upper-case-route": {"A.B": ["h:a"], "a.b": []}}
"""Names of routes keep their case, so that types with capitals can have routes."""


@pytest.mark.parametrize("case", ROUTING["cases"], ids=lambda case: case["name"])
def test_which_handlers_are_reached(start, make, fill, tmp_path, case):
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)
    (folder / "witness.py").write_text(WITNESS)
    text = re.sub(r"(handler|plugin) = \S+", r"\1 = witness", "\n".join(case["config"]))
    if "nosuch" in "\n".join(case["config"]) and case["name"] == "unknown-handler-module":
        text = "\n".join(case["config"])
    text = text.replace("[ccserver]", "[ccserver]\nplugins = %(config_dir)s/plugins")
    starts = case["starts"] and case["name"] not in REFUSED
    server = start(text, ready=starts)
    if not starts:
        assert server.process.wait(60) == 78
        return
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    total = Counter()
    for type, sections in REACHED.get(case["name"], case["reached"]).items():
        client.send_multipart([b"", type.encode(), b"{}"])
        found = [json.loads(client.recv_multipart()[2])["name"] for _ in sections]
        assert found == sections
        if not sections:
            server.wait_for(f"dropping msg, no route: {type}")
        total["replied" if sections else "unrouted"] += 1
    server.stop()
    assert server.ledger() == {"received": total.total(), **total}
