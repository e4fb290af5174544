"""A gateway of CLARA, in each of its shapes: programs outside and a DPE inside, as they are.

Outside and inside have addresses of their own on the loopback interface.
"""

import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).parents[2]
PLACES = [str(ROOT / "contrib/clara"), str(ROOT / "tests/contrib")]
sys.path[:0] = PLACES
from names import DpeName  # noqa: E402
from orchestrator import Orchestrator  # noqa: E402
from registry import Registrar, query, registration  # noqa: E402
from service import Dpe  # noqa: E402
from xmsg import BYTES, Connection, Message, Proxy  # noqa: E402
from xmsg_servers import HOST, PlainRegistrar, free_block, served  # noqa: E402

del sys.path[: len(PLACES)]

SECONDS = 60
HEAD = "[ccserver]\ncc-socket = tcp://127.0.0.1:{cc}\ncc-role = local\n[routes]\n"
GATEWAY = "[h:gateway]\nhandler = clara-gateway\n"
PROXY = "[h:dpe]\nhandler = xmsg-proxy\naddress = {inner}\n"


class Site:
    """Addresses outside and inside, the servers between them, and connections to both."""

    def __init__(self, start, ports):
        self.ports = ports
        self._start = start
        self.outer, self.inner, self.link = (Proxy(HOST, free_block()) for _ in range(3))

    def run(self, name, text):
        cc = self.ports["PORT1" if name == "outside" else "PORT2"]
        text = HEAD.format(cc=cc) + text
        for one in ("outer", "inner", "link"):
            text = text.replace(f"{{{one}}}", getattr(self, one).address())
        return self._start(text, name)

    def dial_in(self, more=""):
        """The gateway connects to the proxy of the DPE."""
        self.inside = self.run("inside", PROXY)
        text = GATEWAY + "address = {outer}\ninner = {inner}\n" + more
        return self.run("outside", text)

    def dial_out(self, more="", inside=""):
        """The inner side connects to the gateway; nothing outside knows its address."""
        text = GATEWAY + "gateway = {link}\ninner = {inner}\n"
        self.inside = self.run("inside", PROXY + text + inside)
        return self.run("outside", GATEWAY + "address = {outer}\ninner-address = {link}\n" + more)


@pytest.fixture
def site(start, ports):
    return Site(start, ports)


@pytest.fixture
def at():
    """Connections with handshakes and checks, closed at the end."""
    with ExitStack() as stack:
        yield lambda proxy, **given: stack.enter_context(
            Connection(proxy, **{"timeout": SECONDS, **given})
        )


def serve(here, topic, times):
    """Answer requests to a topic with their own data, reversed."""
    here.subscribe(topic)

    def work():
        for _ in range(times):
            request = here.receive(SECONDS)
            assert here.wanted(request.meta.replyTo, SECONDS)
            here.publish(request.answer(request.data[::-1]))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("shape", ["dial_in", "dial_out"])
def test_requests_and_replies_pass_in_both_directions(site, at, shape):
    getattr(site, shape)()
    outside, inside = at(site.outer), at(site.inner)
    for service, client in ((inside, outside), (outside, inside)):
        thread = serve(service, "S:T", 3)
        for number in range(3):
            request = Message.of("S:T", BYTES, b"%d:" % number + bytes(100_000))
            answer = client.request(request, SECONDS)
            assert answer.data == request.data[::-1]
        thread.join()
        service.unsubscribe("S:T")


@pytest.mark.parametrize("shape", ["dial_in", "dial_out"])
def test_what_is_published_outside_comes_back_once(site, at, shape):
    server = getattr(site, shape)()
    outside, other, inside = at(site.outer), at(site.outer), at(site.inner)
    for one in (outside, other, inside):
        one.subscribe("A:")
    assert outside.wanted("A:B", SECONDS)
    for number in range(100):
        outside.publish(Message.of("A:B", BYTES, str(number).encode()))
    for one in (outside, other, inside):
        found = [one.receive(SECONDS).data for _ in range(100)]
        assert found == [str(number).encode() for number in range(100)]
    for one in (outside, other, inside):
        assert one.receive(0.2) is None
    assert server.process.poll() is None


def test_both_sides_may_be_started_again(site, at):
    server = site.dial_out()
    outside, inside = at(site.outer), at(site.inner)
    inside.subscribe("A")
    outside.subscribe("B")
    for name in ("inside", "outside"):
        before = {"inside": site.inside, "outside": server}[name]
        before.stop()
        if name == "inside":
            site.inside = site.run(
                "inside", PROXY + GATEWAY + "gateway = {link}\ninner = {inner}\n"
            )
        else:
            server = site.run("outside", GATEWAY + "address = {outer}\ninner-address = {link}\n")
        for sender, receiver, topic in ((outside, inside, "A"), (inside, outside, "B")):
            for _ in range(1000):
                sender.publish(Message.text(topic, name))
                if receiver.receive(0.05):
                    break
            else:
                raise AssertionError(f"{topic} does not arrive after {name} was started again")
            while receiver.receive(0.2):
                pass


def test_only_what_is_about_its_dpe_passes(site, at):
    server = site.dial_in("dpes = 10.0.0.1_java\ntopics = open:\n")
    outside, inside = at(site.outer), at(site.inner)
    for one in (outside, inside):
        one.subscribe("")
    passing = ["dpe:10.0.0.1_java", "10.0.0.1_java:c:E", "open:x"]
    assert outside.wanted("", SECONDS) and inside.wanted("", SECONDS)
    for topic in ("dpe:10.0.0.2_java", "10.0.0.1_javac:c", "xmsg", "ret:1", *passing):
        outside.publish(Message.text(topic, "in"))
    assert [inside.receive(SECONDS).topic for _ in passing] == passing
    assert outside.receive(SECONDS).topic == "open:x"
    leaving = ["done:10.0.0.1_java:c:E", "dpeAlive::10.0.0.1_java", "ret:1:2", "open:y"]
    for topic in ("data:10.0.0.2_java:c:E", "dpeAlive::10.0.0.2_java", "secret", *leaving):
        inside.publish(Message.text(topic, "out"))
    assert [outside.receive(SECONDS).topic for _ in leaving] == leaving
    assert "see [h:gateway]" in server.wait_for("not allowed")


def test_the_name_of_a_key_says_what_the_inner_side_may_do(site, at, start, tmp_path):
    for name in ("gateway", "inside"):
        public, secret = zmq.curve_keypair()
        head = f'metadata\ncurve\n    public-key = "{public.decode()}"\n'
        (tmp_path / f"{name}.key").write_text(head)
        file = tmp_path / f"{name}.key_secret"
        file.write_text(f'{head}    secret-key = "{secret.decode()}"\n')
        file.chmod(0o600)
    key = (tmp_path / "inside.key").read_text().split('"')[1].replace("%", "%%")
    allow = f"[allow:farm]\ncurve = {key}\nsend = clara.done, clara.done.*\nsubscribe = dpe:\n"
    server = site.dial_out(
        f"curve-secret = {tmp_path}/gateway.key_secret\n{allow}",
        f"curve-server = {tmp_path}/gateway.key\ncurve-secret = {tmp_path}/inside.key_secret\n",
    )
    outside, inside = at(site.outer, check=False), at(site.inner, check=False)
    outside.subscribe("")
    inside.subscribe("dpe:")
    assert inside.wanted("", SECONDS)
    for topic in ("data:x", "done:x"):
        inside.publish(Message.text(topic, "out"))
    assert outside.receive(SECONDS).topic == "done:x"
    assert "farm@" in server.wait_for("not allowed") and "[allow:farm]" in server.wait_for("see [")
    assert outside.wanted("dpe:x", SECONDS)
    outside.publish(Message.text("dpe:x", "in"))
    assert inside.receive(SECONDS).topic == "dpe:x"


@pytest.mark.parametrize("shape", ["dial_in", "dial_out"])
def test_the_registrar_inside_answers_programs_outside(site, shape):
    registrar = PlainRegistrar(site.inner.port + 4)
    registrar.start()
    try:
        more = ("registrar = yes\n",) * (1 if shape == "dial_in" else 2)
        getattr(site, shape)(*more)
        with Registrar(site.outer.address(4), timeout=SECONDS) as outside:
            outside.register("Subscriber", registration("s", site.outer, "A", "B", "C"))
            [found] = outside.ask("allSubscriber", query())
            assert found.name == "s"
    finally:
        registrar.end()


def test_a_dpe_that_has_only_outgoing_connections(site):
    """It is started with the gateway's address as its own, and so are its names."""
    registrar = PlainRegistrar(site.outer.port + 4)
    registrar.start()
    name = DpeName(*site.outer)
    site.run("outside", GATEWAY + "address = {outer}\n" + f"dpes = {name}\n".replace("%", "%%"))
    dpe = Dpe(name, timeout=SECONDS)
    try:
        with served(dpe, period=10.0), Orchestrator(name, timeout=SECONDS) as user:
            assert user.dpes() == [name]
            service = user.deploy(name, "c", "E", "Reverse")
            assert user.ask(service, "text/string", b"abc").data == b"cba"
            assert user.services() == [service]
    finally:
        registrar.end()
