"""A call protocol is one folder: a made-up one, a file in a plugin folder, is spoken by callers and
by services, together with the built-in ones."""

import socket
import socketserver
import threading

import pytest

from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Call, Tree
from ccproxy.testing import running_server

TOY = '''
"""`protocol = toy`: calls are lines `ID PATH OPERATION TEXT`, answers `ID result|fault TEXT`."""

from ccproxy.core.pace import Pending
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie.listener import CallListener
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.values import Answered, Asked, Call, Fault, Result, Tree, io_fault


class Lines:
    broken = ""

    def __init__(self):
        self._rest = b""

    def lines(self, data):
        *whole, self._rest = (self._rest + data).split(b"\\n")
        return [one.decode() for one in whole]


class ToyCaller(Lines):
    too_big = unwelcome = crowded = False

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.wake = None
        self._ended = False
        self._out = []

    @property
    def closing(self):
        return self._ended and not self.calls

    def pending(self):
        return Pending(len(self._rest), 0, self.calls > 0)

    def feed(self, data):
        asked = []
        for line in self.lines(data):
            id, path, operation, text = line.split(" ", 3)
            asked.append(Asked(id, Call(path, operation, Tree(text))))
        self.calls += len(asked)
        return asked

    def eof(self):
        self._ended = True

    def drain(self, reason):
        self._ended = True

    def answer(self, token, answer):
        self.calls -= 1
        word = "fault" if isinstance(answer, Fault) else "result"
        self._out.append(f"{token} {word} {answer.value.tree().payload}\\n".encode())
        self.wake()

    def take(self):
        out, self._out = self._out, []
        return out


class ToyService(Lines):
    closing = False
    passage = None

    def send(self, request):
        return [request]

    def feed(self, data):
        found = []
        for line in self.lines(data):
            id, word, text = line.split(" ", 2)
            answer = io_fault(text) if word == "fault" else Result(Tree(text))
            found.append(Answered(int(id), answer))
        return found

    def eof(self):
        return []


class ToyForm:
    name = "toy"
    pipelines = True
    serial = False
    apart = False

    def limit(self, size):
        pass

    def abandon(self, callers, fault):
        pass

    def upstreams(self, timeout, clock):
        return None

    def prepare(self, value, token=None):
        return None

    def caller(self):
        return ToyCaller()

    def service(self, upstream=None):
        return ToyService()

    def request(self, call, id):
        return f"{id} {call.path} {call.operation} {call.value.tree().payload}\\n".encode()


class ToyProtocol(MessageProtocol):
    Options = CallListenerOptions
    about = "calls as lines of text"
    calls_services = True

    def listener(self, plan, kit):
        return CallListener(plan, kit, ToyForm())

    def service(self, location, longest):
        return ToyForm()
'''

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = {folder}

[listen:toy]
protocol = toy
address = tcp://127.0.0.1:PORT2
type = calc

[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT3
type = calc

[routes]
calc.Echo = h:echo

[h:echo]
handler = redirect
protocol = toy
location = socket://127.0.0.1:{port}
"""


class Echo(socketserver.StreamRequestHandler):
    """A service that speaks toy: the result is what it was called with."""

    def handle(self):
        for line in self.rfile:
            id, rest = line.rstrip(b"\n").split(b" ", 1)
            self.wfile.write(id + b" result " + rest + b"\n")


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def server(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    with EchoServer(("127.0.0.1", 0), Echo) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            port = service.server_address[1]
            with running_server(INI.format(folder=tmp_path, port=port)) as found:
                yield found
            assert not [line for line in found.lines if " ERROR " in line]
        finally:
            service.shutdown()
            thread.join()


def test_a_caller_of_the_new_protocol_reaches_a_service_of_the_new_protocol(server):
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 10) as sock:
        answers = sock.makefile("rb")
        for number in (7, 8):
            sock.sendall(b"%d /Echo say hello %d\n" % (number, number))
            assert answers.readline() == b"%d result / say hello %d\n" % (number, number)
        sock.sendall(b"9 /Nope say hello\n")
        assert answers.readline() == b"9 fault no route for calc.Nope.say\n"
        sock.shutdown(socket.SHUT_WR)
        assert answers.read() == b""
        answers.close()


def test_a_caller_of_a_built_in_protocol_reaches_it_too(server):
    form = Sodep()
    side = form.service()
    with socket.create_connection(("127.0.0.1", server.ports["PORT3"]), 10) as sock:
        sock.sendall(b"".join(side.send(form.request(Call("/Echo", "say", Tree("hello")), 3))))
        while not (found := side.feed(sock.recv(65536))):
            pass
    [(id, answer)] = found
    assert (id, answer.value.tree()) == (3, Tree("/ say hello"))
