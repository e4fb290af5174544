"""Each message of sodeps is written by itself, those of the fast path as well."""

import itertools

from ccproxy.protocols.jolie.sodep import AnswerBuffer, SodepLimits, Upstream, UpstreamLoad
from ccproxy.protocols.jolie.sodep.records import SecureSodep, answers_apart, calls_apart
from ccproxy.protocols.jolie.values import Call, Result, Tree


def test_answers_come_one_by_one_whichever_path_they_took():
    answers = AnswerBuffer()
    view = memoryview(b"v" * 5000)
    answers.parts = [b"whole answer", b"\0" * 7 + b"\1", b"a tail", b"\0" * 7 + b"\2", view]
    answers.due = True
    assert list(map(bytes, answers_apart(answers))) == [
        b"whole answer", b"\0" * 7 + b"\1a tail", b"\0" * 7 + b"\2" + view,
    ]  # fmt: skip
    assert answers_apart(answers) == [] and not answers.due


def test_an_answer_whose_tail_is_as_long_as_an_id_stays_whole():
    answers = AnswerBuffer()
    answers.parts = [b"\0" * 8, b"12345678", b"\1" * 8, b"tail"]
    assert answers_apart(answers) == [b"\0" * 8 + b"12345678", b"\1" * 8 + b"tail"]


def test_calls_come_one_by_one_with_their_ids():
    upstream = Upstream(itertools.count(1), UpstreamLoad(10, 1000))
    upstream.parts = [b"\0" * 8, b"/Sum1234", b"tail", b"\1" * 8, b"head", b"other tail"]
    upstream.written, upstream.due = [1, 2], True
    calls, ids = calls_apart(upstream)
    assert calls == [b"\0" * 8 + b"/Sum1234tail", b"\1" * 8 + b"headother tail"]
    assert ids == [1, 2]
    assert calls_apart(upstream) == ([], []) and not upstream.due


def test_a_caller_writes_each_answer_apart():
    form = SecureSodep(SodepLimits())
    caller, service = form.caller(), form.service()
    asked = caller.feed(b"".join(form.request(Call("/", "f", Tree(n)), n) for n in (1, 2)))
    for one in asked:
        caller.answer(one.token, Result(Tree("a")))
    units = caller.take()
    assert len(units) == 2 and form.apart
    for number, unit in enumerate(units, 1):
        [answer] = service.feed(bytes(unit))
        assert answer.id == number
