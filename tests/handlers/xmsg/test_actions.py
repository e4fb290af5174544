"""The actions of the registrar beside answers of the original, and beside a naive registrar."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.actions import (
    KINDS,
    NOT_THREE,
    UNKNOWN,
    Altered,
    RegistrarLimits,
    RegistrarRefusal,
    Registry,
    named,
)
from ccproxy_handlers.xmsg.database import MAX_SAME
from ccproxy_handlers.xmsg.matching import Selection
from ccproxy_handlers.xmsg.messages import classes

sys.path.insert(0, str(Path(__file__).parent))
from naive import NaiveRegistrar  # noqa: E402

del sys.path[0]

VECTORS = Path(__file__).parents[2] / "vectors" / "xmsg"
MESSAGE = classes("bytes")["Registration"]
ACTIONS = [
    f"{word}{kind}" for kind in KINDS for word in ("register", "find", "filter", "exact", "all")
] + ["removePublisherRegistration", "removeSubscriberRegistration", "removeAllRegistration"]


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]


def record(name=b"n", domain=b"A", subject=b"B", type=b"C", host=b"h", port=1, **more):
    return MESSAGE(
        name=name, domain=domain, subject=subject, type=type, host=host, port=port, **more
    ).SerializeToString()


def bodies(selection):
    """The records of a query, without the headers of their frames."""
    found = [one for batch in selection.frames() for one in batch]
    return sorted(one[2:] if one[0] == 1 else one[9:] for one in found)


def asked(registry, action, data):
    """True for success, and the records of the answer, sorted; nothing dead is left."""
    outcome = registry.request(action, data)
    if isinstance(outcome, Altered):
        registry.settle(outcome)
        for _ in registry.sweep():
            pass
    if isinstance(outcome, Selection):
        return True, bodies(outcome)
    return not isinstance(outcome, RegistrarRefusal), []


def expected(vector):
    """Status and records of a recorded answer."""
    answer = vector["answer"]
    if isinstance(answer, list):
        [answer] = answer
        return answer["status"], [bytes.fromhex(one) for one in answer["frames"][3:]]
    if "required" in answer:  # the original dies of a domain *, and so it does not answer any more
        return ("success" if 'success" with' in answer["required"] else "an error"), None
    return answer["status"], [bytes.fromhex(one) for one in answer["records"]]


@pytest.mark.parametrize("name", ["registrar", "registrar-probe", "clara-registrar"])
def test_what_the_original_answered(name):
    registry = Registry(RegistrarLimits())
    for vector in load(name):
        frames = [bytes.fromhex(one) for one in vector["frames"]]
        if len(frames) != 3:  # what counts frames stands in front of the registry
            assert expected(vector) == (NOT_THREE, [])
            continue
        outcome = registry.request(frames[0].decode(), frames[2])
        status, records = expected(vector)
        if status == "success":
            assert not isinstance(outcome, RegistrarRefusal)
            found = bodies(outcome) if isinstance(outcome, Selection) else []
            assert records is None or found == sorted(records), vector["name"]
        elif status.startswith(("Message missing", "unknown")):
            assert outcome == RegistrarRefusal(status), vector["name"]
        else:
            assert isinstance(outcome, RegistrarRefusal) and outcome.status not in ("", "success")


def test_there_are_thirteen_actions():
    assert len(set(ACTIONS)) == 13
    assert all(named(one)[1] for one in ACTIONS)
    assert named("findSubscribers") == named("findSubscriber")
    assert Registry(RegistrarLimits()).request("find", b"") == RegistrarRefusal(UNKNOWN)


WORDS = st.sampled_from([b"A", b"AB", b"B", b"*", b"", b"A:B", b"\xff", b"undefined"])
HOSTS = st.sampled_from([b"h1", b"h2", b"undefined", b"*"])
MESSAGES = st.builds(
    record, name=st.sampled_from([b"n", b"m"]), domain=WORDS, subject=WORDS, type=WORDS,
    host=HOSTS, port=st.sampled_from([0, 1, 2]), description=st.sampled_from([b"", b"d"]),
)  # fmt: skip
REQUESTS = st.one_of(
    st.tuples(st.sampled_from([one for one in ACTIONS if "All" not in one]), MESSAGES),
    st.tuples(st.sampled_from(["registerPublisher", "registerSubscriber"]), MESSAGES),
    st.tuples(st.just("removeAllRegistration"), HOSTS),
    st.tuples(st.sampled_from(ACTIONS), st.binary(max_size=8)),
)


@settings(max_examples=300)
@given(st.lists(REQUESTS, max_size=40))
def test_it_answers_as_a_naive_registrar(requests):
    registry, naive = Registry(RegistrarLimits()), NaiveRegistrar()
    for action, data in requests:
        assert asked(registry, action, data) == naive.request(action, data), action
    for kind in KINDS:
        assert asked(registry, f"all{kind}", b"") == naive.request(f"all{kind}", b"")
        database = registry.databases[kind]
        assert database.count == database.held == len(naive.lists[kind])
    assert registry.count == sum(map(len, naive.lists.values()))


@settings(max_examples=100)
@given(st.lists(REQUESTS, max_size=30), st.integers(0, 3))
def test_what_is_not_swept_yet_is_seen_by_nothing(requests, every):
    registry, naive = Registry(RegistrarLimits()), NaiveRegistrar()
    waiting = []
    for number, (action, data) in enumerate(requests):
        outcome = registry.request(action, data)
        success, records = naive.request(action, data)
        assert success is not isinstance(outcome, RegistrarRefusal)
        if isinstance(outcome, Selection):
            assert bodies(outcome) == records
        if isinstance(outcome, Altered):
            waiting.append(outcome)
        if every and number % every == 0 and waiting:
            registry.settle(waiting.pop(0))
            next(registry.sweep(), None)
    for outcome in waiting:
        registry.settle(outcome)
    for _ in registry.sweep():
        pass
    assert [one.held for one in registry.databases.values()] == [
        len(naive.lists[kind]) for kind in KINDS
    ]


@pytest.mark.parametrize("length", range(len(record()) + 1))
def test_every_truncated_record_is_an_answer(length):
    whole = (14, 17, 20)  # name, host, port and domain; then the subject; then the type
    outcome = Registry(RegistrarLimits()).request("registerPublisher", record()[:length])
    assert isinstance(outcome, Altered if length in whole else RegistrarRefusal)
    query = Registry(RegistrarLimits()).request("findPublisher", record()[:length])
    assert isinstance(query, Selection if length in whole else RegistrarRefusal)


def test_a_domain_must_not_be_absent():
    registry = Registry(RegistrarLimits())
    outcome = registry.request("registerPublisher", record(domain=b"*"))
    assert outcome == RegistrarRefusal("a topic needs a domain, and * is none")
    assert registry.request("removePublisherRegistration", record(domain=b"*")).nothing


def test_equal_records_are_one_however_their_fields_are_ordered():
    registry = Registry(RegistrarLimits())
    message = MESSAGE.FromString(record())
    reordered = record()[3:] + record()[:3]
    assert MESSAGE.FromString(reordered) == message
    assert not registry.request("registerPublisher", record()).nothing
    again = registry.request("registerPublisher", reordered)
    assert again.nothing and again.registered == 1
    assert registry.count == 1


@pytest.mark.parametrize("limits, status", [
    (RegistrarLimits(records=2), "there are 2 records already, which is the limit"),
    (RegistrarLimits(bytes=60), "all records have 60 bytes already, which is the limit"),
])  # fmt: skip
def test_records_are_bounded(limits, status):
    registry = Registry(limits)
    for number in range(2):
        assert isinstance(registry.request("registerPublisher", record(b"%d" % number)), Altered)
    assert registry.request("registerSubscriber", record(b"more")) == RegistrarRefusal(status)
    registry.request("removeAllRegistration", b"h")
    for _ in registry.sweep():
        pass
    assert registry.count == 0


def test_a_large_request_is_refused_and_an_equal_record_is_not():
    registry = Registry(RegistrarLimits(record=100))
    outcome = registry.request("registerPublisher", record(b"n" * 100))
    assert outcome.status.endswith("bytes, 100 are allowed")
    assert isinstance(registry.request("removeAllRegistration", b"h" * 101), RegistrarRefusal)


def test_records_of_one_owner_are_bounded():
    registry = Registry(RegistrarLimits())
    for number in range(MAX_SAME):
        registry.request("registerPublisher", record(description=b"%d" % number))
    outcome = registry.request("registerPublisher", record(description=b"more"))
    assert outcome.status == "there are too many records of this topic, name and host already"
    assert registry.request("registerPublisher", record(description=b"7")).nothing
    removals = registry.request("removePublisherRegistration", record()).removals
    assert len(removals["Publisher"].numbers) == MAX_SAME
    assert registry.count == 0


def test_numbers_go_on_after_a_restore():
    from ccproxy_handlers.xmsg.records import parse, record_of

    registry = Registry(RegistrarLimits(records=0))
    registry.restore("Publisher", record_of(parse(record())), 41)
    assert registry.count == 1
    registry.limits = RegistrarLimits()
    assert registry.request("registerPublisher", record(b"m")).registered == 42
