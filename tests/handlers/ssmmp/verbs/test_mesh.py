"""The verb mesh, to a ROUTER that answers as the test wants; real Managers: tests/e2e."""

import json
import threading

import pytest
import zmq

from ccproxy.cli import parser_of
from ccproxy_handlers.ssmmp.commands import COMMANDS
from ccproxy_handlers.ssmmp.verbs import mesh


@pytest.fixture
def manager():
    """What was asked, and answers by verb: a dict, or a function of the fields."""

    class Manager:
        def __init__(self):
            self.answers = {}
            self.seen = []
            self.context = zmq.Context()
            self.router = self.context.socket(zmq.ROUTER)
            port = self.router.bind_to_random_port("tcp://127.0.0.1")
            self.address = f"tcp://127.0.0.1:{port}"
            self.end = threading.Event()
            self.thread = threading.Thread(target=self.work)
            self.thread.start()

        def work(self):
            while not self.end.is_set():
                if self.router.poll(20):
                    self.take(self.router.recv_multipart())
            self.router.close(linger=0)

        def take(self, frames):
            cut = frames.index(b"")
            verb = frames[cut + 1].decode().removeprefix("mesh.")
            fields = json.loads(frames[cut + 2])
            self.seen.append((verb, fields))
            answer = self.answers.get(verb)
            if answer is None:
                return
            fields = answer(fields) if callable(answer) else answer
            body = json.dumps({"req": "mesh.response", "blob_hash": "", **fields}).encode()
            self.router.send_multipart([*frames[:cut], b"", b"mesh.response", body, b""])

    made = Manager()
    yield made
    made.end.set()
    made.thread.join()
    made.context.term()


PLAN = {
    "command": "scale orders 2",
    "steps": [
        {"kind": "goal", "subject": "orders", "node": "", "number": 2},
        {"kind": "dance", "subject": "orders", "node": "", "number": 0},
    ],
    "touches": ["orders 3: 5 sessions"],
    "refusal": "",
}
REFUSED = {**PLAN, "steps": [], "refusal": "no service orders"}


def row(state, *steps, reason=""):
    texts = [f"goal orders: {one}" for one in steps]
    done = steps.count("done")
    return {"operation": 7, "command": "scale orders 2", "state": state, "done": done,
            "steps": texts, "of": len(texts), "reason": reason}  # fmt: skip


def test_all_pages_are_fetched(manager, call):
    pages = {None: ([{"session": 1}, {"session": 2}], 2), 2: ([{"session": 3}], None)}

    def page(fields):
        rows, more = pages[fields["after"]]
        return {"rows": rows, "next": more}

    manager.answers["list"] = page
    status, out, _ = call("mesh", manager.address, "sessions", "--json", "--all")
    assert status == 0
    assert json.loads(out) == [{"session": 1}, {"session": 2}, {"session": 3}]
    assert all(fields["all"] is True for _, fields in manager.seen)
    status, out, _ = call("mesh", manager.address, "sessions")
    assert out.splitlines()[0].startswith("SESSION  EDGE")


def test_dry_run(manager, call):
    manager.answers["plan"] = {"plan": PLAN}
    status, out, _ = call("mesh", manager.address, "scale", "orders", "2", "--dry-run")
    assert status == 0
    assert out == (
        "plan: scale orders 2\n    1 keep 2 of orders\n    2 dance orders\n"
        "  touches orders 3: 5 sessions\n"
    )
    [(verb, fields)] = manager.seen
    assert verb == "plan"
    assert (fields["command"], fields["service"], fields["count"]) == ("scale", "orders", 2)


def test_progress(manager, call):
    rows = [row("running", "running", "planned"), row("running", "done", "running"),
            row("done", "done", "done")]  # fmt: skip
    manager.answers = {
        "plan": {"plan": PLAN},
        "execute": {"plan": PLAN, "operation": 7},
        "list": lambda fields: {"rows": [rows.pop(0)], "next": None},
    }
    status, out, _ = call("mesh", manager.address, "scale", "orders", "2")
    assert status == 0
    assert out.splitlines()[-6:] == [
        "operation 7", "    1/2 goal orders: running", "    1/2 goal orders: done",
        "    2/2 goal orders: running", "    2/2 goal orders: done", "operation 7: done",
    ]  # fmt: skip


def test_a_failed_operation(manager, call):
    manager.answers = {
        "plan": {"plan": PLAN},
        "execute": {"plan": PLAN, "operation": 7},
        "list": {"rows": [row("failed", "failed", reason="it did not start")], "next": None},
    }
    status, out, _ = call("mesh", manager.address, "scale", "orders", "2", "--json")
    assert status == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0] == {"plan": PLAN} and lines[1] == {"operation": 7}
    assert lines[-1]["reason"] == "it did not start"


def test_refusals(manager, call):
    manager.answers["plan"] = {"plan": REFUSED}
    status, out, _ = call("mesh", manager.address, "scale", "orders", "2")
    assert status == 1 and "refused: no service orders" in out
    manager.answers["plan"] = {"plan": PLAN}
    manager.answers["execute"] = {"plan": REFUSED, "operation": 0}
    assert call("mesh", manager.address, "scale", "orders", "2")[2] == (
        "ccserver: no service orders\n"
    )
    manager.answers["plan"] = {"error": "not from here"}
    assert call("mesh", manager.address, "stop", "3")[2] == "ccserver: not from here\n"
    assert "expected SERVICE=PROGRAM" in call("mesh", manager.address, "update", "orders")[2]


def test_cancel(manager, call):
    manager.answers = {
        "cancel": {"operation": row("stopping", "running")},
        "list": {"rows": [row("stopped", "done")], "next": None},
    }
    status, out, _ = call("mesh", manager.address, "cancel", "7")
    assert (status, out.splitlines()[0]) == (0, "operation 7: stopping")
    assert out.splitlines()[-1] == "operation 7: stopped"


def test_no_answer_comes(manager, call):
    status, _, err = call("mesh", manager.address, "status", "--timeout", "0.2")
    assert status == 1 and "is there a route: mesh = h:SECTION" in err


def test_a_bad_configuration(ini, call):
    assert call("mesh", ini("[ccserver]\n"), "status")[0] == 78


def test_events(manager, call):
    event = {"event": 1, "time": 0.0, "what": "lost", "subject": "A", "detail": "away",
             "alarm": True}  # fmt: skip
    manager.answers["events"] = {"rows": [event], "last": 1}
    status, out, _ = call("mesh", manager.address, "events")
    assert status == 0 and out.endswith(" ALARM lost A away\n")


def test_every_word_is_declared():
    words = {one.word for one in mesh.WORDS}
    assert len(words) == len(mesh.WORDS)
    assert {one.word for one in mesh.WORDS if one.operation} == set(COMMANDS)
    text = parser_of("mesh").format_help()
    assert all(word in text for word in words)
