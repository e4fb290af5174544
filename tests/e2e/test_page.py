"""The live page in a real Chromium: what it draws, what it hides, what it makes of hostile texts.

CCPROXY_SCREENSHOTS=docs/images has the pictures of docs/operate.md made anew, and
CCPROXY_PAGE_UPDATES=1000000 has the page take so many updates.
"""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

import pytest
import zmq

from ccproxy.server.control_client import request
from ccproxy.wire.zmtp.passwords import hashed
from tests.certificates import Authority
from tests.e2e.browser import Browser, axe, missing
from tests.e2e.mesh_manager.conftest import GRAPH, INI, HandAgent

MISSING = missing()
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here"),
    pytest.mark.xdist_group("browser"),
]
AXE = axe()
TOKEN = "0123456789abcdef0123"
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
http-token = %(config_dir)s/token
plugins = %(config_dir)s/plugins
linger = 0 ms
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT5
type = bus
[routes]
orders = h:site
archive = h:site, h:dead
dead = h:dead
echo = h:echo
bus = h:subscribers
[h:echo]
handler = echo
[h:dead]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
queue-messages = 50
[h:site]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT6
"""
SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT4
cc-role = remote
[routes]
* = h:bin
[h:bin]
handler = disposer
"""
HOSTILE = (
    "<script>window.hacked=1</script>",
    "<img/src=x/onerror=window.hacked=2>",
    "\u202etxt.exe\u2066",
    "a\x07\x1b[31m\x7f\x00b",
    "'\"><svg/onload=window.hacked=3>" + "x" * 4096,
)
PLUGIN = f'''
"""Says what strangers might have said."""
from ccproxy import Handler

HOSTILE = {HOSTILE!r}


class Plugin(Handler):
    def handle(self, message):
        raise ValueError(HOSTILE[0])

    def status(self):
        ANSWER
'''
ANSWERS = {
    "says": "return {one: one for one in HOSTILE}",
    "fails": "raise ValueError(''.join(HOSTILE))",
}
FAST = """
import sys
from ccproxy.server import updates
from ccproxy.cli import main

updates.UPDATE_INTERVAL = 0.0
once = updates.event


async def often(*values):
    return await once(*values) * int(sys.argv[1])

updates.event = often
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def chromium():
    made = Browser()
    yield made
    made.quit()


@pytest.fixture
def browser(chromium):
    """A browser; no page stays open in it."""
    yield chromium
    chromium.close()


@pytest.fixture
def serve(start, tmp_path):
    """Start a server with a page."""

    def serve(text):
        folder = tmp_path / "server"
        (folder / "plugins").mkdir(parents=True)
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        made = start(text)
        made.page = f"http://127.0.0.1:{made.ports['PORT2']}/"
        return made

    return serve


@pytest.fixture
def server(serve):
    return serve(SERVER)


@pytest.fixture
def sender(make, ports):
    """A client; what it sends is dealt with when `sent` has its answer."""
    one = make(zmq.DEALER, f"tcp://127.0.0.1:{ports['PORT1']}")

    def sent(type, count=1, body=b"x"):
        for _ in range(count):
            one.send_multipart([b"", type.encode(), body, b""])
        asked = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": ""}
        one.send_multipart([b"", b"echo.request", json.dumps(asked).encode(), b""])
        assert one.recv_multipart()

    return sent


def clean(browser):
    """Nothing that the page's policy forbids was tried, and the browser has no complaint."""
    assert browser.violations() == []
    assert browser.complaints() == []
    return True


def number(text):
    return int(text.replace(",", ""))


def counted(text):
    """Counts as the page writes them: `full 30, gone 1`."""
    pairs = [one.rsplit(" ", 1) for one in text.split(", ") if one and text != "none"]
    return {name: number(count) for name, count in pairs}


def drawn(browser):
    """The figures on the page, as in a status."""
    return {
        "received": number(summary(browser)["received"]),
        "peers": number(summary(browser)["peers"]),
        "waiting": number(summary(browser)["waiting"]),
        "fates": {one["fate"]: number(one["messages"]) for one in browser.rows("fates")},
        "losses": {
            (one["section"].lstrip("✖▲ "), one["reason"]): number(one["messages"])
            for one in browser.rows("drops")
        },
        "links": [
            (one["section"], one["address"], one["state"].lstrip("✖▲● "), number(one["sent"]))
            for one in browser.rows("links")
        ],
        "queues": [
            (number(one["waiting"]), number(one["queued"]), number(one["sent"]),
             counted(one["dropped"]))
            for one in browser.rows("queues")[: len(browser.rows("links"))]
        ],
        "listeners": [
            (one["section"], number(one["peers"]), number(one["received"]))
            for one in browser.rows("listeners")
        ],
        "types": {
            one["type"]: (number(one["messages"]), one["to"]) for one in browser.rows("types")
        },
    }  # fmt: skip


def summary(browser):
    script = """return [...document.querySelectorAll("#summary > div")].map(
        (one) => [...one.children].map((part) => part.textContent))"""
    return {name: large for name, large, _ in browser.run(script)}


def said(server):
    """The same figures by the verb `status --json`, and of types by the control socket."""
    done = server.verb("status", "--json")
    done.check_returncode()
    status = json.loads(done.stdout)
    types = request("GET", "/v1/status/types?most=100", [server.control], 60.0).value["items"]
    return {
        "received": status["ledger"]["received"],
        "peers": status["peers"],
        "waiting": status["sinks"]["waiting"],
        "fates": status["ledger"]["fates"],
        "losses": {
            (section, reason): count
            for section, found in status["sinks"]["losses"].items()
            for reason, count in found.items()
        },
        "links": [
            (one["section"], one["address"], one["state"], one["sink"]["sent"])
            for one in status["links"]
        ],
        "queues": [
            (one["sink"]["waiting"], one["sink"]["queued"], one["sink"]["sent"],
             one["sink"]["dropped"])
            for one in status["links"]
        ],
        "listeners": [
            (one["section"], one["peers"], one["received"]) for one in status["listeners"]
        ],
        "types": {one["type"]: (one["messages"], ", ".join(one["to"])) for one in types},
    }  # fmt: skip


def test_what_is_drawn_is_what_the_status_says(browser, server, start, sender, make, until):
    start(SITE, "site")
    server.wait_for("link up link=h:site")
    subscriber = make(zmq.SUB, f"tcp://127.0.0.1:{server.ports['PORT6']}")
    subscriber.subscribe(b"")
    until(lambda: server.facts("h:subscribers")["subscriptions"])
    browser.open(server.page)
    browser.unlock(TOKEN)
    for type, count in (("orders.new", 30), ("dead.end", 70), ("archive.x", 5), ("nowhere", 4)):
        sender(type, count)
    assert until(lambda: (found := drawn(browser)) == said(server) and found)["received"] == 113
    nodes = browser.nodes()
    assert {f"route {one}" for one in ("orders", "archive", "dead", "echo", "bus")} < nodes.keys()
    assert {f"handler h:{one}" for one in ("echo", "dead", "site", "subscribers")} < nodes.keys()
    assert {"listener ccserver", "listener listen:publishers", "switch"} < nodes.keys()
    places = {one: f"tcp://127.0.0.1:{server.ports[one]}" for one in ("PORT3", "PORT4")}
    assert f"link link h:dead {places['PORT3']}" in nodes
    assert "up" in nodes[f"link link h:site {places['PORT4']}"]["text"]
    assert [one for one in nodes.values() if "peer" in one["marks"] and "127.0.0.1" in one["text"]]
    assert clean(browser)


def test_the_figures_agree_after_kills_and_reloads(browser, server, start, sender, fill, until):
    site = start(SITE, "site")
    server.wait_for("link up link=h:site")
    browser.open(server.page)
    browser.unlock(TOKEN)
    sender("archive.x", 60)
    site.kill()
    sender("orders.new", 20)
    start(SITE, "site")
    server.wait_for_count("link up link=h:site", 2)
    server.reload(fill(SERVER.replace("[routes]", "[routes]\nmore = h:echo")))
    sender("dead.end", 30)
    assert until(lambda: (found := drawn(browser)) == said(server) and found)["losses"]
    assert "route more" in browser.nodes()
    assert clean(browser)


def test_rates_stand_at_the_edges(browser, server, start, sender, until):
    start(SITE, "site")
    server.wait_for("link up link=h:site")
    browser.open(server.page)
    browser.unlock(TOKEN)
    script = """return [...document.querySelectorAll("#topology .labels text")]
        .map((one) => one.textContent)"""

    def rated():
        sender("orders.new", 200)
        found = [one for one in browser.run(script) if re.fullmatch(r"[1-9][\d.,]*/s", one)]
        types = [one for one in browser.rows("types") if one["type"] == "orders.new"]
        [came] = [one for one in browser.rows("listeners") if one["section"] == "ccserver"]
        rated = types and types[0]["messages/s"] not in ("", "0/s")
        return len(found) >= 2 and rated and came["received/s"] not in ("", "0/s")

    until(rated)


def test_a_queue_that_drops_and_a_link_that_is_down_turn_red(browser, server, start, sender, until):
    site = start(SITE, "site")
    server.wait_for("link up link=h:site")
    browser.open(server.page)
    browser.unlock(TOKEN)
    link = f"link link h:site tcp://127.0.0.1:{server.ports['PORT4']}"
    until(lambda: "good" in browser.nodes().get(link, {"marks": ()})["marks"])
    green = browser.nodes()[link]
    assert [one["mark"] for one in browser.rows("links") if one["section"] == "h:site"] == ["good"]
    site.stop()
    red = until(lambda: (one := browser.nodes()[link]) and "bad" in one["marks"] and one)
    # Not by colour alone: the frame is broken, a sign and words stand in it.
    assert red["colour"] != green["colour"] and red["dashes"] != green["dashes"]
    [row] = [one for one in browser.rows("links") if one["section"] == "h:site"]
    assert row["state"].startswith("✖ ") and row["mark"] == "bad"
    assert re.search(r"✖ link h:site to tcp://127.0.0.1:\d+ is \w+", browser.text("troubles"))
    sender("dead.end", 70)
    [queue] = until(lambda: [one for one in browser.rows("queues") if one["dropped"] == "full 20"])
    assert queue["queue"] == "✖ h:dead" and queue["mark"] == "bad" and queue["fill"] == "100 %"
    [drop] = browser.rows("drops")
    assert (drop["section"], drop["reason"], drop["messages"]) == ("✖ h:dead", "full", "20")
    assert "✖ h:dead drops: full 20" in browser.text("troubles")
    assert clean(browser)


def test_a_listener_whose_peer_does_not_read_is_found(browser, server, make, dial, until):
    raw = dial("PORT6", b"SUB", buffer=4096).greet()
    raw.send(b"\x01")
    until(lambda: server.facts("h:subscribers")["subscriptions"])
    publisher = make(zmq.PUB, f"tcp://127.0.0.1:{server.ports['PORT5']}")
    browser.open(server.page)
    browser.unlock(TOKEN)

    def slow():
        with suppress(zmq.Again):
            publisher.send_multipart([b"topic", bytes(1 << 20)], zmq.NOBLOCK)
        return [one for one in browser.rows("peers") if number(one["waiting"])]

    [row] = until(slow)
    assert row["peer"].lstrip("✖▲ ").startswith("h:subscribers 127.0.0.1:")


DELIVERING = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
linger = 0 ms
[routes]
orders = h:memory, h:kept
plain = h:plain
[h:memory]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
delivery = acknowledged
reconnect-max = 50 ms
[h:kept]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
delivery = acknowledged
reconnect-max = 50 ms
spool = %(config_dir)s/spool
[h:plain]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""


def delivered(browser):
    """The delivery table of the page: link, unacknowledged, acknowledged, spool."""
    return {
        one["section"]: (number(one["unacknowledged"]), number(one["acknowledged"]), one["spool"])
        for one in browser.rows("delivery")
    }


def test_what_links_have_under_way(browser, start, make, until):
    server = start(DELIVERING)
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")
    browser.open(f"http://127.0.0.1:{server.ports['PORT2']}/")
    for _ in range(30):
        client.send_multipart([b"", b"orders.new", bytes(100), b""])

    def waits():
        status = json.loads(server.verb("status", "--json").stdout)
        links = {one["section"]: one for one in status["links"]}
        return links["h:kept"]["sink"]["waiting"] == links["h:memory"]["sink"]["waiting"] == 30

    until(waits)
    held = until(
        lambda: (found := delivered(browser)) and "0 B" not in found["h:kept"][2] and found
    )
    assert held.keys() == {"h:memory", "h:kept"}  # the link that only sends is not there
    assert held["h:memory"] == (0, 0, "in memory")
    assert held["h:kept"][1] == 0 and re.fullmatch(r"[\d.,]+ \w+ of .*", held["h:kept"][2])
    start(SITE, "site")
    server.wait_for("link up link=h:kept")
    until(lambda: [one[:2] for one in delivered(browser).values()] == [(0, 30), (0, 30)])
    assert until(lambda: (found := delivered(browser)["h:kept"][2]).startswith("0 B") and found)
    modes = {one["section"]: (one["delivery"], one["refused"]) for one in browser.rows("delivery")}
    assert modes == {one: ("acknowledged", "none") for one in ("h:memory", "h:kept")}
    assert clean(browser)


GROUPED = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
http-token = %(config_dir)s/token
[routes]
orders = h:group
[h:group]
handler = failover
to = h:first, h:second
[h:first]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
heartbeat = 2 s
[h:second]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
reconnect-max = 50 ms
heartbeat = 2 s
"""


def test_a_group_says_which_members_are_up_and_used(browser, serve, start, make, until):
    server = serve(GROUPED)
    browser.open(server.page)
    browser.unlock(TOKEN)

    def group():
        found = browser.nodes().get("handler h:group")
        return found and (found["text"].partition("\n")[2], "bad" in found["marks"])

    until(lambda: group() == ("failover, none of 2 members up", True))
    start(SITE, "site")
    until(lambda: group() == ("failover, 1 of 2 members up", False))

    def member(name):
        return browser.nodes()[f"handler h:{name}"]["text"].partition("\n")[2]

    until(lambda: member("second") == "proxy, used by h:group")
    assert member("first") == "proxy, not used by h:group"
    client = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")

    def given():
        """The labels at the lines to both members, while one of them gets messages."""
        for _ in range(50):
            client.send_multipart([b"", b"orders.new", b"x"])
        edges = browser.edges()
        found = [edges.get(edge) for edge in lines]
        rated = all(found) and "" not in [one["label"] for one in found]
        return rated and found[1]["label"] != "0/s" and found

    lines = [f"handler h:group > handler h:{name}" for name in ("first", "second")]
    for width in (1200, 420):
        browser.size(width, 900)
        first, second = until(given)
        assert (first["label"], "unused" in first["marks"]) == ("0/s", True)
        assert "unused" not in second["marks"] and second["path"]
    assert clean(browser)


ROUND_SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
http-token = %(config_dir)s/token
plugins = %(config_dir)s/plugins
[routes]
says = h:says
fails = h:fails
[h:says]
handler = says
[h:fails]
handler = fails
"""
ROUND = {
    "says": """return {
        "to": ["h:fails", "h:says", 7],
        "members": [{"section": one} for one in ("h:fails", "h:says", "h:none")] + [None, 7],
    }""",
    "fails": """return {"to": ["h:says"], "members": [{"section": "h:says"}]}""",
}


def test_handlers_that_say_to_be_members_of_each_other_are_all_drawn(
    browser, start, tmp_path, until
):
    folder = tmp_path / "server"
    (folder / "plugins").mkdir(parents=True)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    for name, answer in ROUND.items():
        (folder / "plugins" / f"{name}.py").write_text(PLUGIN.replace("ANSWER", answer))
    server = start(ROUND_SERVER)
    browser.open(f"http://127.0.0.1:{server.ports['PORT2']}/")
    browser.unlock(TOKEN)
    for width in (1200, 420):
        browser.size(width, 900)
        until(lambda: {"handler h:says", "handler h:fails"} <= browser.nodes().keys())
        until(lambda: "handler h:says > handler h:fails" in browser.edges())
    assert clean(browser)


def test_without_the_token_no_names_are_shown(browser, server, sender, until):
    sender("orders.new", 3)
    browser.open(server.page)
    until(lambda: number(summary(browser).get("received", "0")) >= 4)
    text = browser.run("return document.body.textContent")
    for name in ("orders", "echo.request", "127.0.0.1", "/server.ini"):
        assert name not in text
    assert "h:site" in text and browser.find("hidden-names").is_displayed()
    assert not browser.find("tap-start").is_enabled() and "needs the token" in browser.text(
        "tap-state"
    )
    browser.unlock("this-is-the-wrong-token")
    until(lambda: "the token is wrong" in browser.text("connection"))
    browser.find("lock").click()
    until(lambda: browser.text("connection").startswith("live"))
    browser.unlock(TOKEN)
    until(lambda: [one for one in browser.rows("types") if one["type"] == "orders.new"])
    assert not browser.find("hidden-names").is_displayed()
    assert all("401" in one for one in browser.complaints())
    browser.find("lock").click()
    until(lambda: browser.find("hidden-names").is_displayed())
    until(lambda: "orders" not in browser.run("return document.body.textContent"))
    assert browser.violations() == []


def test_the_tap_shows_messages_as_they_pass(browser, server, sender, until):
    browser.open(server.page)
    browser.unlock(TOKEN)
    until(browser.updates)
    browser.find("tap-prefix").clear()
    browser.find("tap-prefix").send_keys("orders")
    # Tables above grow at any moment: a click at a place of the screen may meet something else.
    for one in ("tap-body", "tap-start"):
        browser.run("arguments[0].click()", browser.find(one))
    until(lambda: "is on" in browser.text("tap-state"))
    until(lambda: sender("orders.new", 1, b"the body") or browser.text("tap-lines"))
    line = browser.text("tap-lines")
    assert "orders.new from ccserver 127.0.0.1:" in line and "to h:site" in line
    assert "the body" in line and "echo.request" not in line
    browser.find("tap-stop").click()
    until(lambda: browser.text("tap-state") == "stopped")
    sender("orders.new", 300)
    assert clean(browser)


HOSTILE_PARTS = """
[listen:known]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT7
type = known
plain-users = %(config_dir)s/users
[h:says]
handler = says
[h:fails]
handler = fails
"""


@pytest.fixture
def hostile(start, tmp_path):
    """A server whose users, topics, types, handlers and messages have hostile texts."""
    folder = tmp_path / "server"
    (folder / "plugins").mkdir(parents=True)
    for name, answer in ANSWERS.items():
        (folder / "plugins" / f"{name}.py").write_text(PLUGIN.replace("ANSWER", answer))
    for name, text in (("token", TOKEN), ("users", "")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    names = [HOSTILE[0], HOSTILE[1], "\u202etxt.exe\u2066"]
    (folder / "users").write_text("".join(f"{one}:{hashed(b'pw')}\n" for one in names))
    routes = "[routes]\nknown = h:dead\nsays = h:says\nfails = h:fails"
    made = start(SERVER.replace("[routes]", routes) + HOSTILE_PARTS)
    made.tracebacks = True
    made.page = f"http://127.0.0.1:{made.ports['PORT2']}/"
    made.names = names
    return made


def test_hostile_texts_are_shown_as_texts(browser, hostile, make, sender, until):
    ports = hostile.ports
    known = [
        make(zmq.PUSH, f"tcp://127.0.0.1:{ports['PORT7']}", plain_username=one.encode(),
             plain_password=b"pw", identity=HOSTILE[0].encode())
        for one in hostile.names
    ]  # fmt: skip
    subscriber = make(zmq.SUB, f"tcp://127.0.0.1:{ports['PORT6']}")
    for one in HOSTILE:
        subscriber.subscribe(one.encode()[:200])
    until(lambda: hostile.facts("h:subscribers")["subscriptions"] == len(HOSTILE))
    publisher = make(zmq.PUB, f"tcp://127.0.0.1:{ports['PORT5']}")
    browser.open(hostile.page)
    browser.unlock(TOKEN)
    until(browser.updates)
    browser.find("tap-body").click()
    browser.find("tap-start").click()
    until(lambda: "is on" in browser.text("tap-state"))
    for one in known:
        one.send(b"x")

    def publish():
        for one in HOSTILE:
            publisher.send_multipart([one.encode(), one.encode()])
            sender("says.this", 1, one.encode())
        sender("t" * 4000)
        return subscriber.poll(10) and browser.text("tap-lines").count("hacked=1") > 2

    until(publish)
    browser.find("tap-stop").click()

    def shown():
        """In the tap, in what handlers say, in the names of types, and at the drawn peers."""
        tap, said = browser.text("tap-lines"), browser.text("handlers")
        types = " ".join(one["type"] for one in browser.rows("types"))
        peers = " ".join(one["text"] for one in browser.nodes().values() if "peer" in one["marks"])
        wanted = HOSTILE[0], HOSTILE[1], "\\u{202e}txt.exe\\u{2066}"
        return (
            all(one in tap for one in (*wanted, "\\u{7}\\u{1b}[31m\\u{7f}"))
            and all(f"{one}@127.0.0.1" in peers for one in wanted)
            and all(one in said for one in (HOSTILE[0], "ValueError: <script>"))
            and "(4000 characters)" in types
        )

    until(shown)
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('script, img, main svg svg').length") == 1
    assert not browser.unseen()
    width, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room
    assert clean(browser)


def test_dark_by_the_system_and_by_choice(browser, server, until):
    browser.open(server.page)
    until(browser.updates)
    back = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(back)
    browser.scheme("dark")
    dark = browser.run(back)
    assert dark != light and sum(map(int, re.findall(r"\d+", dark)[:3])) < 150
    choose = "const one = document.getElementById('theme'); one.value = arguments[0];"
    choose += "one.dispatchEvent(new Event('change'))"
    browser.run(choose, "light")
    assert browser.run(back) == light
    browser.scheme("light")
    browser.run(choose, "dark")
    assert browser.run(back) == dark
    browser.driver.refresh()
    until(browser.updates)
    assert browser.run(back) == dark
    browser.run(choose, "")
    assert browser.run(back) == light
    assert clean(browser)


@pytest.mark.parametrize("width", [360, 320, 768])
def test_no_width_needs_scrolling_to_the_side(browser, server, sender, until, width):
    sender("dead.end", 70)
    sender("n" * 200)
    browser.open(server.page, width, 800)
    browser.unlock(TOKEN)
    until(lambda: browser.rows("types"))
    wide, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room == width
    outside = """return [...document.querySelectorAll("main *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width && !one.closest("thead") && box.right > innerWidth + 1;
    }).map((one) => one.outerHTML.slice(0, 100))"""
    assert browser.run(outside) == []


def test_the_keyboard_reaches_everything(browser, server, sender, until):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(server.page)
    until(browser.updates)
    active = "const one = document.activeElement; return one.id || one.className"

    def press(*keys):
        ActionChains(browser.driver).send_keys(*keys).perform()
        return browser.run(active)

    def seen():
        return browser.run(
            "return getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )

    assert press(Keys.TAB) == "skip" and seen()
    assert press(Keys.TAB) == "token" and seen()
    press(TOKEN, Keys.ENTER)
    until(lambda: browser.find("lock").is_displayed() and browser.find("tap-start").is_enabled())
    browser.run("document.activeElement.blur(); document.querySelector('.skip').focus()")
    order = list(islice(iter(lambda: press(Keys.TAB), "tap-lines"), 20))
    wanted = ["lock", "theme", "tap-prefix", "tap-from", "tap-to", "tap-body", "tap-start"]
    assert [one for one in order if one in wanted] == wanted
    assert seen()
    browser.find("tap-start").send_keys(Keys.ENTER)
    until(lambda: "is on" in browser.text("tap-state"))
    browser.find("tap-stop").send_keys(Keys.SPACE)
    until(lambda: browser.text("tap-state") == "stopped")
    browser.find("lock").send_keys(Keys.ENTER)
    until(lambda: browser.find("token").is_displayed())


@pytest.mark.skipif(not AXE, reason="no axe-core here; NODE_PATH says where it is")
@pytest.mark.parametrize(("colours", "width"), [("light", 1200), ("dark", 1200), ("light", 360)])
def test_no_serious_findings_of_accessibility(browser, server, sender, until, colours, width):
    sender("dead.end", 70)
    browser.open(server.page, width)
    browser.scheme(colours)
    until(browser.updates)
    assert browser.accessibility(AXE) == []
    browser.unlock(TOKEN)
    until(lambda: browser.rows("types"))
    sender("dead.end", 70)
    until(lambda: "drops" in browser.text("troubles"))
    assert browser.accessibility(AXE) == []


PICTURED = (
    SERVER.replace("[routes]", "[routes]\njobs = h:workers")
    + """
[h:first]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT7
heartbeat = 2 s
[h:second]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT4
heartbeat = 2 s
[h:workers]
handler = failover
to = h:first, h:second
"""
)


def test_a_busy_server_in_pictures(browser, serve, start, sender, make, until):
    server = serve(PICTURED)
    start(SITE, "site")
    server.wait_for("link up link=h:site")
    subscriber = make(zmq.SUB, f"tcp://127.0.0.1:{server.ports['PORT6']}")
    subscriber.subscribe(b"price")
    until(lambda: server.facts("h:subscribers")["subscriptions"])
    publisher = make(zmq.PUB, f"tcp://127.0.0.1:{server.ports['PORT5']}")
    browser.open(server.page, 1100, 860)
    browser.unlock(TOKEN)
    browser.run("document.getElementById('about').hidden = true")

    def busy():
        sender("orders.new", 40)
        sender("orders.paid", 25)
        sender("archive.daily", 3)
        sender("jobs.resize", 12)
        publisher.send_multipart([b"price.eur", b"1.1"])
        rated = [one for one in browser.rows("types") if one["messages/s"] not in ("", "0/s")]
        given = browser.edges().get("handler h:workers > handler h:second", {"label": ""})["label"]
        drops = "drops" in browser.text("troubles")
        return len(rated) > 5 and drops and given not in ("", "0/s")

    until(busy)
    browser.save("page")
    browser.scheme("dark")
    browser.save("page-dark")
    browser.scheme("light")
    browser.size(360, 860)
    until(lambda: browser.run("return document.querySelector('svg').clientWidth") < 360)
    until(busy)
    browser.run("document.getElementById('topology').scrollIntoView()")
    browser.save("page-phone")
    assert clean(browser)


MESH = INI.replace("cc-role = remote", "cc-role = remote\nhttp = 127.0.0.1:PORT3\n{token}")
TOKEN_OPTION = "http-token = %(config_dir)s/token"


def test_the_mesh_of_a_manager(browser, start, tmp_path, until):
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "shop.graph").write_text(GRAPH)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    server = start(MESH.replace("{token}", TOKEN_OPTION))
    agent, silent = (
        HandAgent(server.ports["PORT2"], address=one) for one in ("10.0.0.1", "10.0.0.2")
    )
    try:
        assert (agent.register(), silent.register()) == ("200", "200")
        web = int(agent.start()["service_instance_id"])
        agent.ask(web)
        browser.open(f"http://127.0.0.1:{server.ports['PORT3']}/", 1100, 1000)
        browser.unlock(TOKEN)
        until(lambda: browser.find("mesh-part").is_displayed())
        nodes = "return [...document.querySelectorAll('#mesh table')].map((one) => one.innerText)"
        found = until(lambda: len(tables := browser.run(nodes)) == 4 and tables)
        facts = server.facts("h:manager")
        assert "10.0.0.1" in found[0] and found[0].count("REGISTERED") == 2
        for one, text in (
            (facts["mesh"]["services"], found[1]),
            (facts["mesh"]["sessions"], found[3]),
        ):
            assert len(one) == len(text.splitlines()) - 1
        assert "web" in found[1] and "orders" in found[1] and "web.orders_client" in found[3]
        assert "agents: REGISTERED 2" in browser.text("mesh")
        browser.run("document.getElementById('mesh-part').scrollIntoView()")
        browser.save("page-mesh")
        assert AXE == "" or browser.accessibility(AXE) == []
        assert clean(browser)
    finally:
        agent.socket.close()
        silent.socket.close()


def test_it_comes_back_after_the_server(browser, server, start, until):
    browser.open(server.page)
    until(browser.updates)
    server.stop()
    until(lambda: "next attempt" in browser.text("connection"))
    assert "lost" in browser.find("connection").get_attribute("class")
    before = browser.updates()
    again = start(SERVER)
    until(lambda: browser.updates() > before and browser.text("connection").startswith("live"))
    assert again.ports == server.ports


def test_more_pages_than_there_may_be_are_told_so(browser, server, until):
    with urllib.request.urlopen(f"{server.page}updates", timeout=60) as first:
        assert first.headers["Content-Type"] == "text/event-stream"
        others = [urllib.request.urlopen(f"{server.page}updates", timeout=60) for _ in range(5)]
        until(lambda: all(one.readline() for one in (first, *others)))
        browser.open(server.page)
        until(lambda: "there are 6 open pages already" in browser.text("connection"))
        for one in others:
            one.close()
    until(lambda: browser.text("connection").startswith("live"))


def test_where_other_machines_reach_it_the_page_needs_tls_and_the_token(
    browser, start, tmp_path, until
):
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    authority = Authority(folder)
    files = f"http-tls-certificate = {authority.pair()}"
    text = SERVER.replace("http = 127.0.0.1:", f"{files}\nhttp = 0.0.0.0:")
    port = start(re.sub(r"plugins = .*", "", text)).ports["PORT2"]
    browser.open(f"https://127.0.0.1:{port}/")
    until(lambda: "a token is needed" in browser.text("connection"))
    assert browser.updates() == 0 and browser.run(
        "return document.activeElement.id") == "token"  # fmt: skip
    browser.unlock(TOKEN)
    until(lambda: browser.nodes().get("handler h:site"))
    assert browser.violations() == []
    trusted = ssl.create_default_context(cafile=authority.file)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"https://127.0.0.1:{port}/updates", timeout=60, context=trusted)
    with refused.value:
        assert refused.value.code == 401


def test_many_updates_take_no_more_memory(browser, server, sender, tmp_path, until):
    """The server computes updates without a pause, and sends each many times over."""
    wanted = int(os.environ.get("CCPROXY_PAGE_UPDATES", "20000"))
    server.stop()
    batch = 10 if wanted < 100_000 else 25
    (tmp_path / "fast.py").write_text(FAST)
    file = tmp_path / "server" / "server.ini"
    command = [sys.executable, tmp_path / "fast.py", str(batch), str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: reached(server.page))
        browser.open(server.page)
        browser.unlock(TOKEN)
        types = cycle(f"dead.end{number}" for number in range(50))

        def after(count):
            """Bytes of scripts, nodes of the document, bytes of the server, which is at rest."""
            while browser.updates() < count:
                sender(next(types), 5)
            process.send_signal(signal.SIGSTOP)
            last = [-1]
            until(lambda: last.append(browser.updates()) or last[-1] == last[-2])
            found = (*browser.heap(), resident(process.pid))
            process.send_signal(signal.SIGCONT)
            return found

        found = [after(wanted * tenth // 10) for tenth in range(1, 11)]
        print(browser.updates(), "updates", *found, sep="\n")
        # The least of some looks is what stays.
        early, late = (tuple(map(min, zip(*found[at : at + 4], strict=True))) for at in (1, 6))
        assert late[0] - early[0] < 1 << 20
        assert late[1] - early[1] < 1000
        assert late[2] - early[2] < 4 << 20
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def reached(address):
    try:
        with urllib.request.urlopen(address, timeout=60) as found:
            return found.read()
    except OSError:
        return None


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * 4096
