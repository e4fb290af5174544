"""The envelope table of docs/envelopes.md, cell by cell: each listener socket to each handler
socket, on this server and behind a link to another one, and back; beside a real `zmq.proxy`."""

import threading
import time
from contextlib import ExitStack

import pytest
import zmq

from ccproxy.server.control_client import request
from ccproxy.testing import running_server

SINKS = """
[h:xpub]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT2
[h:push]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT3
[h:dealer]
handler = zmq
socket = dealer
bind = tcp://127.0.0.1:PORT4
[h:req]
handler = zmq
socket = req
bind = tcp://127.0.0.1:PORT5
"""
FAR = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = sock
[routes]
* = h:xpub, h:push, h:dealer, h:req
{SINKS}
"""
LISTENER = """
[listen:NAME]
protocol = zmq
socket = NAME
address = tcp://127.0.0.1:PORT
type = NAME
"""
NEAR = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
control = sock
[routes]
* = h:xpub, h:push, h:dealer, h:req, h:far, h:link
{SINKS}
[h:far]
handler = proxy
remote-cc = FAR_ADDRESS
[h:link]
handler = proxy
remote-cc = LINK_ADDRESS
"""
LISTENERS = {"router": "PORT6", "rep": "PORT7", "pull": "PORT8", "xsub": "PORT9", "cc": "PORT1"}
HANDLERS = {"xpub": "PORT2", "push": "PORT3", "dealer": "PORT4", "req": "PORT5"}
PEERS = {"xpub": zmq.SUB, "push": zmq.PULL, "dealer": zmq.ROUTER, "req": zmq.ROUTER}


class Sockets:
    """Makes sockets of one context, and closes them."""

    def __init__(self, stack):
        self.stack = stack
        self.context = zmq.Context()
        stack.callback(self.context.term)

    def __call__(self, kind, address="", identity=b"", bind=""):
        made = self.context.socket(kind)
        self.stack.callback(made.close, 0)
        made.setsockopt(zmq.RCVTIMEO, 20_000)
        made.setsockopt(zmq.SNDTIMEO, 20_000)
        if identity:
            made.setsockopt(zmq.ROUTING_ID, identity)
        if kind == zmq.SUB:
            made.subscribe(b"")
        if bind:
            made.bind(bind)
        else:
            made.connect(address)
        return made


@pytest.fixture(scope="module")
def table():
    """Two servers, a peer at each handler socket of both, and the far side of a link."""
    with ExitStack() as stack:
        sockets = Sockets(stack)
        link = sockets(zmq.ROUTER, bind="tcp://127.0.0.1:0")
        far = stack.enter_context(running_server(FAR))
        listeners = "".join(
            LISTENER.replace("NAME", name).replace("PORT", port)
            for name, port in LISTENERS.items()
            if name != "cc"
        )
        text = (NEAR + listeners).replace("FAR_ADDRESS", far.address())
        text = text.replace("LINK_ADDRESS", link.getsockopt_string(zmq.LAST_ENDPOINT))
        near = stack.enter_context(running_server(text))
        outs = {
            (place, name): sockets(PEERS[name], server.address(port))
            for place, server in (("near", near), ("far", far))
            for name, port in HANDLERS.items()
        }
        for server in (near, far):
            wait_for_peers(server)
        yield Table(sockets, near, link, outs)


def wait_for_peers(server):
    """Until every handler socket has its peer, and the SUB has said what it wants: a message that
    comes before is for nobody."""
    for _ in range(2000):
        value = request("GET", "/v1/status", [server.directory / "sock"], 30).value
        facts = {one["section"]: one["facts"] for one in value["handlers"]}
        peers = [facts[f"h:{name}"] for name in HANDLERS]
        if peers[0]["subscriptions"] and all(one.get("workers", 1) for one in peers):
            return
        time.sleep(0.01)
    raise TimeoutError(facts)


class Table:
    """The parts that the tests use."""

    def __init__(self, sockets, near, link, outs):
        self.sockets = sockets
        self.near = near
        self.link = link
        self.outs = outs
        warm = sockets(zmq.DEALER, near.address(LISTENERS["router"]))
        warm.send(b"?")  # once everybody has it, all peers and links are there
        self.seen()
        for out in (self.outs[place, "req"] for place in ("near", "far")):
            out.send_multipart([*self.askers[out], b"!"])
        for _ in range(2):
            assert warm.recv() == b"!"
        warm.close(0)

    def client(self, kind, listener, identity=b""):
        return self.sockets(kind, self.near.address(LISTENERS[listener]), identity)

    def seen(self):
        """What one message has become: on the link, and at each peer; the REQ envelopes are kept
        for the answer, the first frames that a DEALER sent as well."""
        self.askers = {}
        found = {"link": self.link.recv_multipart()[1:]}
        for (place, name), out in self.outs.items():
            frames = out.recv_multipart()
            if name in ("dealer", "req"):  # the peer, and the frame behind it
                self.askers[out], frames = frames[:2], frames[1:]
            found[place, name] = frames
        return found

    def answer(self, *frames):
        """Every service answers, in turn: what a client gets is in this order."""
        for (place, name), out in self.outs.items():
            if name in ("dealer", "req"):
                out.send_multipart([*self.askers[out], *frames, f"{place}-{name}".encode()])
                yield f"{place}-{name}".encode()


def opaque(frame, *route):
    """True if a frame is an envelope; it holds these frames behind the identity."""
    return frame[:1] == b"\0" and len(frame) > 5 and all(one in frame for one in route)


def same(seen, frames):
    """True if the peers of XPUB, PUSH and REQ have got these frames on both servers."""
    return all(
        seen[place, name] == ([b""] if name == "req" else []) + frames
        for place in ("near", "far")
        for name in ("xpub", "push", "req")
    )


@pytest.mark.parametrize("empties", [0, 1, 2])
def test_dealer_to_router(table, empties):
    me = b"me with %d" % empties
    client = table.client(zmq.DEALER, "router", me)
    frames = [b""] * empties + [b"a", b"", b"b"]
    client.send_multipart(frames)
    seen = table.seen()
    identity, *rest = seen["link"]
    assert rest == [b"", b"router", *frames] and identity[:1] == b"\0"
    assert same(seen, frames)
    assert seen["near", "dealer"] == [me, *frames]
    name, *rest = seen["far", "dealer"]
    assert opaque(name, identity, b"router") and rest == frames
    for service in table.answer(b"", b"x"):
        assert client.recv_multipart() == [b"", b"x", service]
    client.close(0)


@pytest.mark.parametrize("stack", [[], [b"one"], [b"one", b"two"]])
def test_dealer_to_rep(table, stack):
    me = b"me with %d" % len(stack)
    client = table.client(zmq.DEALER, "rep", me)
    client.send_multipart([b"no delimiter"])
    client.send_multipart([b"no body", b""])
    client.send_multipart([*stack, b"", b"a", b""])
    seen = table.seen()
    identity, *rest = seen["link"]
    assert rest == [*stack, b"", b"rep", b"a", b""]
    assert same(seen, [b"a", b""])
    assert seen["near", "dealer"] == [me, *stack, b"", b"a", b""]
    name, *rest = seen["far", "dealer"]
    assert opaque(name, identity, b"rep", *stack) and rest == [b"a", b""]
    near = table.outs["near", "dealer"]
    table.askers[near] += [*stack, b""]  # a REP service returns all that is in front
    for service in table.answer(b"x"):
        assert client.recv_multipart() == [*stack, b"", b"x", service]
    client.close(0)


@pytest.mark.parametrize(("listener", "kind"), [("pull", zmq.PUSH), ("xsub", zmq.XPUB)])
def test_what_gets_no_answer(table, listener, kind):
    client = table.client(kind, listener)
    if kind == zmq.XPUB:
        assert client.recv() == b"\1"
    client.send_multipart([b"a", b"", b"b"])
    seen = table.seen()
    identity, *rest = seen["link"]
    assert rest == [b"", listener.encode(), b"a", b"", b"b"]
    assert same(seen, [b"a", b"", b"b"])
    for place in ("near", "far"):
        name, *rest = seen[place, "dealer"]
        assert opaque(name, identity, listener.encode()) and rest == [b"a", b"", b"b"]
    assert len(list(table.answer(b"lost"))) == 4
    assert not client.poll(50)
    client.close(0)


def test_cc(table):
    client = table.client(zmq.DEALER, "cc", b"cc-client")
    client.send_multipart([b"", b"ctype", b"{}", b"sig"])
    seen = table.seen()
    assert seen["link"] == [b"cc-client", b"", b"ctype", b"{}", b"sig"]
    assert same(seen, [b"{}", b"sig"])
    for place in ("near", "far"):
        name, *rest = seen[place, "dealer"]
        assert opaque(name, b"cc-client", b"ctype") and rest == [b"{}", b"sig"]
    for service in table.answer(b"x"):
        assert client.recv_multipart() == [b"", b"ctype", b"x", service]
    client.send_multipart([b"", b"ends.with.its.type"])
    assert same(table.seen(), [b""])
    for service in table.answer():
        assert client.recv_multipart() == [b"", b"ends.with.its.type", service]
    client.close(0)


def test_one_identity_on_three_listeners(table):
    clients = {}
    requests = {"router": [b"1"], "rep": [b"", b"2"], "cc": [b"", b"type", b"3"]}
    for name in requests:
        # One after the other: the first that is connected has the name in front of services.
        client = clients[name] = table.client(zmq.DEALER, name, b"twice")
        client.send_multipart(requests[name])
        asker = table.seen()["near", "dealer"][0]
        assert asker == b"twice" if name == "router" else opaque(asker, name.encode()[:0])
        front = requests[name][:-1]
        for service in table.answer(b"x"):
            assert client.recv_multipart() == [*front, b"x", service]
    for client in clients.values():
        assert not client.poll(0)
        client.close(0)


@pytest.mark.parametrize("listener", ["router", "rep"])
def test_req_clients_and_rep_services(table, listener):
    """One REP service beside the others: what REQ asks, it answers, over the link too."""
    client = table.client(zmq.REQ, listener)
    client.send_multipart([b"a", b"b"])
    seen = table.seen()
    inner = [] if listener == "rep" else [b""]
    assert same(seen, [*inner, b"a", b"b"])
    assert seen["near", "dealer"][1:] == [b"", b"a", b"b"]
    far = table.outs["far", "dealer"]
    far.send_multipart([*table.askers[far], *inner, b"answer"])
    assert client.recv_multipart() == [b"answer"]
    for place in ("near", "far"):  # the requests under way end
        out = table.outs[place, "req"]
        out.send_multipart([*table.askers[out], b"", b"too late"])
    client.close(0)


def proxied(stack, sockets, front, back):
    """A real `zmq.proxy` between two sockets that are bound; their addresses."""
    made = [sockets(kind, bind="tcp://127.0.0.1:0") for kind in (front, back)]
    control = sockets(zmq.PAIR, bind="inproc://control")
    steer = sockets(zmq.PAIR, "inproc://control")
    thread = threading.Thread(target=zmq.proxy_steerable, args=(*made, None, control))
    thread.start()
    stack.callback(thread.join)
    stack.callback(steer.send, b"TERMINATE")
    return [one.getsockopt_string(zmq.LAST_ENDPOINT) for one in made]


QUEUE = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:calls]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT2
type = call
[routes]
call = h:services
[h:services]
handler = zmq
socket = dealer
bind = tcp://127.0.0.1:PORT3
"""


def test_beside_a_real_proxy():
    with ExitStack() as stack:
        sockets = Sockets(stack)
        server = stack.enter_context(running_server(QUEUE))
        ours = server.address("PORT2"), server.address("PORT3")
        for front, back in (ours, proxied(stack, sockets, zmq.ROUTER, zmq.DEALER)):
            service = sockets(zmq.ROUTER, back, b"service")
            client = sockets(zmq.DEALER, front, b"client")
            for frames in ([b"a"], [b"", b"a"], [b"", b"", b"a"], [b""], [b"a", b""]):
                client.send_multipart(frames)
                hop, *seen = service.recv_multipart()
                assert seen == [b"client", *frames]
                service.send_multipart([hop, b"client", *reversed(frames)])
                assert client.recv_multipart() == [*reversed(frames)]
            workers = [sockets(zmq.REP, back) for _ in range(2)]
            asking = sockets(zmq.REQ, front)
            poller = zmq.Poller()
            for one in (service, *workers):
                poller.register(one, zmq.POLLIN)
            for number in range(10):
                asking.send(b"%d" % number)
                [(ready, _)] = poller.poll(20_000)
                *envelope, asked = ready.recv_multipart()
                assert envelope[2:] == ([b""] if ready is service else [])
                ready.send_multipart([*envelope, asked + b"!"])
                assert asking.recv() == b"%d!" % number
        server.stop()
        assert "received=30 forwarded=15 replied=15" in server.wait_for("ledger")
