"""Messages made of calls and answers; that those of the original pass untouched: test_sides."""

import pytest

from ccproxy.protocols.jolie.sodep import Packed, SodepToken, answer_tail, message, request_tail
from ccproxy.protocols.jolie.sodep.limits import SodepLimits
from ccproxy.protocols.jolie.sodep.messages import LARGE, Encoded, answer_pieces, request
from ccproxy.protocols.jolie.sodep.reader import SodepReader
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree, Unportable

TOKEN = SodepToken(9, "sum")


def frame(data):
    [found] = SodepReader(SodepLimits()).feed(data)
    return found


def answer_message(token, answer, charset="utf-8"):
    [made] = answer_pieces(token, answer, charset)
    return made


def packed(data, name="", charset="utf-8"):
    return Packed(frame(data), name, charset)


def test_a_message_is_its_id_path_and_tail():
    assert message(-2, b"/A", b"tail") == b"\xff" * 7 + b"\xfe" + b"\0\0\0\2/A" + b"tail"


def test_tails_of_requests_results_and_faults():
    value = b"\2\0\0\0\5" + bytes(4)
    assert request_tail("sum", Tree(5)) == b"\0\0\0\3sum\0" + value
    assert answer_tail("sum", Result(Tree(5))) == b"\0\0\0\3sum\0" + value
    fault = answer_tail("sum", Fault("Bad", Tree(5)))
    assert fault == b"\0\0\0\3sum\1\0\0\0\3Bad" + value + bytes(5)
    with pytest.raises(Unportable):
        request_tail("è", Tree(), "us-ascii")


def test_a_packed_value_knows_its_size_and_is_read_when_asked():
    tail = request_tail("sum", Tree("x"))
    value = packed(message(1, b"/", tail), "sum")
    assert (value.size, value.tree()) == (len(tail), Tree("x"))
    with pytest.raises(Unportable):
        packed(message(1, b"/", request_tail("sum", Tree("è"))), "sum", "us-ascii").tree()


def test_an_answer_of_a_sodep_service_passes_with_a_new_id():
    for answer in (Result(Tree(5)), Fault("Bad", Tree(5))):
        data = message(4, b"/odd", answer_tail("other", answer))
        name = answer.name if isinstance(answer, Fault) else ""
        same = answer._replace(value=packed(data, name))
        assert answer_message(TOKEN, same) == message(9, b"/odd", data[16:])


def test_an_answer_that_was_renamed_or_has_another_charset_is_made_anew():
    data = message(4, b"/odd", answer_tail("other", Fault("Bad", Tree(5))))
    renamed = Fault("Worse", packed(data, "Bad"))
    expected = message(9, b"/", answer_tail("sum", Fault("Worse", Tree(5))))
    assert answer_message(TOKEN, renamed) == expected
    latin = message(4, b"/", answer_tail("sum", Result(Tree("è")), "iso-8859-1"))
    found = answer_message(TOKEN, Result(packed(latin, "", "iso-8859-1")))
    assert found == message(9, b"/", answer_tail("sum", Result(Tree("è"))))


def test_an_answer_that_sodep_cannot_carry_is_a_fault_that_says_so():
    found = frame(answer_message(TOKEN, Result(Tree(1 << 63))))
    assert (found.id, found.operation, found.fault) == (9, b"sum", b"IOException")
    assert b"sodep cannot carry the answer" in found.tail


@pytest.mark.parametrize("answer", [Result, lambda value: Fault("Bad", value)])
def test_a_large_value_is_written_as_it_is(answer):
    tree = Tree("x" * LARGE)
    data = bytearray(frame(message(1, b"/", request_tail("", tree))).tail[5:])
    value = Encoded(data, "utf-8")
    pieces = answer_pieces(TOKEN, answer(value))
    assert b"".join(pieces) == message(9, b"/", answer_tail("sum", answer(tree)))
    assert pieces[2].obj is data
    made = request(7, b"/A", Call("/other", "sum", value), "utf-8")
    assert made.body is data
    assert made.head + data == message(7, b"/A", request_tail("sum", tree))


def test_a_large_message_of_sodep_passes_as_it_is():
    data = message(4, b"/odd", request_tail("sum", Tree("x" * LARGE)))
    value = packed(data, "sum")
    made = request(7, b"/A", Call("/other", "sum", value), "utf-8")
    assert made == (message(7, b"/A", b""), value.frame.tail)
    value.name = ""
    assert b"".join(answer_pieces(TOKEN, Result(value))) == message(9, b"/odd", data[16:])
