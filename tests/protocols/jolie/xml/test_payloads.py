"""What texts mean, and how numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.jolie.values import Long
from ccproxy.protocols.jolie.xml.payloads import (
    DECLARED,
    STATED,
    double,
    inferred,
    integer,
    java_double,
    long,
)

JAVA = {
    2.0: "2.0", 0.1: "0.1", 1e7: "1.0E7", 1e21: "1.0E21", 1e300: "1.0E300", -0.0: "-0.0",
    0.001: "0.001", 0.0001: "1.0E-4", 9999999.0: "9999999.0", 123456789.125: "1.23456789125E8",
    math.inf: "Infinity", -math.inf: "-Infinity", -2.5e-10: "-2.5E-10", 5e-324: "5.0E-324",
}  # fmt: skip


def test_doubles_as_java_writes_them():
    assert {number: java_double(number) for number in JAVA} == JAVA
    assert java_double(math.nan) == "NaN"


@given(st.floats(allow_nan=False))
def test_a_double_comes_back(number):
    found = double(java_double(number))
    assert (found, math.copysign(1, found)) == (number, math.copysign(1, number))


def test_declared_texts():
    """A text that is none of its kind stays a string, so that the service says what is wrong."""
    read = {name: kind.scalar for name, kind in DECLARED.items() if kind.scalar}
    assert [read["int"](one) for one in (" 5 ", "+5", "5.0", "abc", "2147483648")] == [
        5, 5, "5.0", "abc", "2147483648",
    ]  # fmt: skip
    assert read["long"]("5") == Long(5) and isinstance(read["long"]("5"), Long)
    assert [read["bool"](one) for one in ("TRUE", "false", "1", "0", "yes")] == [
        True, False, True, False, "yes",
    ]  # fmt: skip
    assert [read["double"](one) for one in ("5", ".5", "INF", "1e3", "0x1", "")] == [
        5.0, 0.5, math.inf, 1000.0, "0x1", None,
    ]  # fmt: skip
    assert read["void"](" \n") is None and read["void"]("x") == "x"


def test_stated_texts_are_refused_if_they_are_none():
    for word, text in (("xsd:int", "abc"), ("xsd:int", "5.7"), ("xsd:int", "2147483648"),
                       ("xsd:int", ""), ("xsd:double", "x"), ("xsd:boolean", "yes"),
                       ("xsd:long", "9" * 30)):  # fmt: skip
        with pytest.raises(ValueError, match="found|more than"):
            STATED[word].scalar(text)
    assert integer("-2147483648") == -(1 << 31)
    assert long("-9223372036854775808") == -(1 << 63)


def test_inferred_texts_are_what_java_writes():
    texts = {"5": 5, "-7": -7, "2.0": 2.0, "1.0E7": 1e7, "true": True, "9007199254740993":
             9007199254740993, "": None}  # fmt: skip
    assert {text: inferred(text) for text in texts} == texts
    for text in ("007", "+5", " 5", "5.", ".5", "1e3", "TRUE", "NaN", "9" * 19, "5 ", "-"):
        assert inferred(text) == text
