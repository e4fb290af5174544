"""The programs of contrib/clara at a proxy and a registrar that are as plain as they can be."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

CLARA = Path(__file__).parents[2] / "contrib" / "clara"
PLACES = [str(CLARA), str(Path(__file__).parent)]

sys.path[:0] = PLACES
import engines  # noqa: E402
import monitor  # noqa: E402
from names import DpeName, behind, chain  # noqa: E402
from orchestrator import Orchestrator, work  # noqa: E402
from registry import Registrar, RegistrarError, query, registration  # noqa: E402
from service import Dpe  # noqa: E402
from xmsg import Connection, Message, Proxy  # noqa: E402
from xmsg_servers import HOST, PlainProxy, free_block, frontend, served  # noqa: E402

del sys.path[: len(PLACES)]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    port = free_block()
    with frontend(port):
        yield Proxy(HOST, port)


@pytest.fixture
def name(proxy) -> DpeName:
    return DpeName(*proxy)


# xmsg


@pytest.mark.parametrize("handshake", [True, False])
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("publisher", [zmq.PUB, zmq.XPUB])
def test_a_message_comes_with_and_without_handshake_and_check(proxy, handshake, check, publisher):
    with Connection(proxy, handshake, check, publisher) as here:
        here.subscribe("A:B")
        assert here.wanted("A:B:C", 10)
        received = None
        while received is None:  # without a check the first ones may be lost
            here.publish(Message.text("A:B:C", "hello", author="me"))
            received = here.receive(0.1)
    assert (received.topic, received.data) == ("A:B:C", b"hello")
    assert (received.meta.author, received.meta.dataType) == ("me", "text/string")


def test_a_proxy_that_is_not_there_is_said():
    with pytest.raises(TimeoutError, match="does not answer the handshake"):
        Connection(Proxy(HOST, free_block()), timeout=0.3)


def test_an_answer_comes_to_the_one_that_asked(proxy):
    with Connection(proxy) as service, Connection(proxy) as client:
        service.subscribe("E:F")

        def serve() -> None:
            request = service.receive(10)
            assert service.wanted(request.meta.replyTo, 10)
            service.publish(Message.text("E:F", "an answer to nobody"))
            service.publish(request.answer(b"done", author="service"))

        thread = threading.Thread(target=serve)
        thread.start()
        client.subscribe("E")
        answer = client.request(Message.text("E:F:G", "do", author="client"), 10)
        thread.join()
        assert (answer.data, answer.meta.author) == (b"done", "service")
        assert not answer.meta.HasField("replyTo")
        kept = [client.receive(10).data for _ in range(2)]
        assert kept == [b"do", b"an answer to nobody"]


def test_what_cannot_be_read_is_counted_and_passed_over(proxy):
    with Connection(proxy) as here:
        here.subscribe("A")
        assert here.wanted("A", 10)
        here._pub.send_multipart([b"A", b"\xff", b""])
        here.publish(Message.text("A", "good"))
        assert here.receive(10).data == b"good"
        assert here.malformed == 1


def test_a_request_without_a_reply_topic_has_no_answer():
    with pytest.raises(ValueError, match="wants no answer"):
        Message.text("A", "x").answer(b"")


# registry


def test_what_is_registered_is_found(proxy):
    record = registration("me", proxy, "A", "B", "C")
    with Registrar(proxy.address(4)) as registrar:
        registrar.register("Subscriber", record)
        registrar.register("Subscriber", record)
        assert registrar.ask("filterSubscriber", query("A")) == [record]
        assert registrar.ask("filterSubscriber", query("B")) == []
        registrar.remove("Subscriber", record)
        assert registrar.ask("allSubscriber", query()) == []


def test_a_registrar_that_is_silent_is_asked_again_over_another_socket():
    with zmq.Context.instance().socket(zmq.REP) as silent:
        port = silent.bind_to_random_port("tcp://127.0.0.1")
        with Registrar(f"tcp://127.0.0.1:{port}", timeout=0.1) as registrar:
            while not silent.poll(0):  # on a busy machine a request may be given up unsent
                with pytest.raises(TimeoutError, match="does not answer allPublisher"):
                    registrar.ask("allPublisher", query())
            silent.recv_multipart()
            silent.send_multipart([b"", b"", b"no such thing"])
            registrar._timeout = 10
            answering = threading.Thread(
                target=lambda: (silent.recv_multipart(), silent.send_multipart([b"", b"", b"bad"]))
            )
            answering.start()
            with pytest.raises(RegistrarError, match="bad"):
                registrar.ask("allPublisher", query())
            answering.join()


# names and engines


@pytest.mark.parametrize("name", ["10.1.1.10_java", "10.1.1.10%7900_cpp", "1.2.3.4%7771_python"])
def test_a_name_is_an_address_and_back(name):
    found = DpeName.parse(f"{name}:container:engine")
    assert str(found) == name
    assert found.proxy.host == name.partition("_")[0].partition("%")[0]


@pytest.mark.parametrize("name", ["localhost_java", "10.1.1.10", "10.1.1.10%_java", ""])
def test_what_is_no_name_is_said(name):
    with pytest.raises(ValueError, match="is no name in CLARA"):
        DpeName.parse(name)


def test_the_way_along_a_composition():
    assert chain("a+b+c;") == ["a", "b", "c"]
    assert [behind("a+b+c;", one) for one in "abcd"] == [["b"], ["c"], [], []]


def test_engines_compute():
    numbers = engines.DATA(DOUBLEA=[1.0, 2.0]).SerializeToString()
    kind, data = engines.mean(engines.ARRAY, numbers)
    assert (kind, engines.DATA.FromString(data).DOUBLE) == ("binary/double", 1.5)
    assert engines.upper("text/string", b"ab")[1] == b"AB"
    assert engines.reverse("text/string", b"ab")[1] == b"ba"
    with pytest.raises(ValueError, match="expected numbers"):
        engines.mean("text/string", b"ab")


# service, orchestrator, monitor


def test_services_of_two_dpes_work_one_after_the_other(name):
    other = free_block()
    with ExitStack() as stack:
        second = PlainProxy(other)
        second.start()
        stack.callback(second.end)
        worker = DpeName(HOST, other)
        stack.enter_context(served(Dpe(name), Dpe(worker, name)))
        with Orchestrator(name) as orchestrator:
            assert orchestrator.dpes() == sorted([name, worker])
            assert work(orchestrator, 5)
            assert len(orchestrator.services()) == 2
            with pytest.raises(ValueError, match="Invalid request: .* no class Nothing"):
                orchestrator.deploy(name, "text", "Nothing", "Nothing")
            orchestrator.command(name, "stopContainer?text")
            assert len(orchestrator.services()) == 1


def test_a_dpe_reports_and_takes_its_records_back(name):
    with Orchestrator(name) as orchestrator:
        with served(Dpe(name, session="run7")):
            reports = orchestrator.watch("dpeAlive:run7:")
            assert reports.receive(10).topic == f"dpeAlive:run7:{name}"
            assert "n_requests" not in orchestrator.command(name, "reportJson")
        assert orchestrator.dpes() == []


def test_the_error_of_an_engine_is_an_answer(name):
    with served(Dpe(name)), Orchestrator(name) as orchestrator:
        mean = orchestrator.deploy(name, "numbers", "Mean", "Mean")
        answer = orchestrator.ask(mean, "text/string", b"no numbers")
        assert answer.meta.status == 3
        assert b"expected numbers" in answer.data


def test_the_monitor_prints_one_line_for_each_message(proxy):
    with subprocess.Popen(
        [sys.executable, CLARA / "monitor.py", f"{HOST}:{proxy.port}", "A:", "--count", "2"],
        stdout=subprocess.PIPE, text=True,
    ) as running, Connection(proxy) as here:  # fmt: skip
        while running.poll() is None:
            here.publish(Message.text("A:B", "two\nlines\x1b[31m", sender="me"))
            here.receive(0.05)
        lines = running.stdout.read().splitlines()
    assert lines == ["A:B type=text/string from=me two?lines?[31m"] * 2


def test_a_message_on_one_line_has_no_control_characters():
    assert monitor.line(Message.text("A", "\x00\x9b", communicationId=7)).endswith("id=7 ??")


def test_the_programs_run_from_a_command_line(name):
    program = [sys.executable, str(CLARA / "service.py"), str(name), "--period", "0.1"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout.readline() == f"{name} is running\n"
        found = subprocess.run(
            [sys.executable, CLARA / "orchestrator.py", str(name), "--requests", "3"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        service.terminate()
        assert service.wait(30) == 0
    assert found.returncode == 0, found.stdout + found.stderr
    assert "all answers were right" in found.stdout
