"""Kinds: what each reads and refuses, and that what it shows can be read again."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config import kinds
from ccproxy.config.options import Kind

WORDS = st.from_regex(r"[A-Za-z0-9_:.-]{1,12}", fullmatch=True)
TYPES = st.from_regex(r"[a-z]{1,5}(\.[a-z_-]{1,5}){0,3}", fullmatch=True)

ROUND_TRIPS = [
    (kinds.text, st.text().map(str.strip)),
    (kinds.integer, st.integers(-(10**17), 10**17)),
    (kinds.natural, st.integers(0, 10**17)),
    (kinds.positive, st.integers(1, 10**17)),
    (kinds.between(3, 9), st.integers(3, 9)),
    (kinds.real, st.floats(allow_nan=False, allow_infinity=False, width=32)),
    (kinds.flag, st.booleans()),
    (kinds.size, st.integers(0, 2**70)),
    (kinds.size_between(5, 2**40), st.integers(5, 2**40)),
    (kinds.duration("ms"), st.integers(0, 10**9).map(lambda number: number / 1000)),
    (kinds.duration("s"), st.integers(0, 10**9).map(float)),
    (kinds.duration("us"), st.floats(1e-6, 1e6).map(lambda number: round(number, 6))),
    (kinds.duration("h"), st.integers(0, 1000).map(lambda number: number * 3600.0)),
    (kinds.names, st.lists(WORDS, max_size=4).map(tuple)),
    (kinds.list_of(kinds.integer), st.lists(st.integers(0, 99), max_size=4).map(tuple)),
    (kinds.file, st.from_regex(r"/[a-z/ ]{0,20}[a-z]", fullmatch=True)),
    (kinds.folders, st.lists(st.from_regex(r"/[a-z]{1,8}", fullmatch=True)).map(tuple)),
    (kinds.address, st.integers(1, 65535).map(lambda port: f"tcp://localhost:{port}")),
    (kinds.addresses, st.lists(st.just("tcp://[::1]:5")).map(tuple)),
    (kinds.listen_address, st.integers(0, 65535).map(lambda port: f"tcp://*:{port}")),
    (kinds.choice("drop-new", "drop-old", "block"), st.sampled_from(["drop-old", "block"])),
    (kinds.patterns, st.lists(TYPES | st.just("log.*") | st.just("[a-z]?"), max_size=3).map(tuple)),
    (kinds.message_type, TYPES),
    (kinds.section, WORDS),
    (kinds.sections, st.lists(WORDS, max_size=3).map(tuple)),
    (kinds.daemon_sections, st.lists(WORDS, max_size=3).map(tuple)),
]


@pytest.mark.parametrize(("kind", "values"), ROUND_TRIPS, ids=lambda it: getattr(it, "name", ""))
def test_what_is_shown_can_be_read_again(kind, values):
    @given(values)
    def check(value):
        assert kind.parse(kind.show(value)) == value

    check()


def test_every_kind_has_a_round_trip():
    tested = {kind.name for kind, _ in ROUND_TRIPS}
    public = {name: getattr(kinds, name) for name in kinds.__all__}
    missing = [
        name for name, it in public.items() if isinstance(it, Kind) and it.name not in tested
    ]
    assert missing == []


@pytest.mark.parametrize("kind", [kind for kind, _ in ROUND_TRIPS], ids=lambda kind: kind.name)
def test_any_text_is_a_value_or_a_value_error_that_explains(kind):
    @given(st.text(max_size=30))
    def check(text):
        try:
            value = kind.parse(text)
        except ValueError as error:
            assert str(error).startswith("found ")
            assert ", expected " in str(error)
            assert "\n" not in str(error)
            return
        assert kind.parse(kind.show(value)) == value

    check()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64 MiB", 64 << 20), ("3K", 3072), ("4 MB", 4 << 20), ("3kb", 3072), ("1B", 1), ("0", 0),
        (" 5 K ", 5120), ("2 g", 2 << 30), ("1 KiB", 1024), ("1 Y", 1 << 80),
    ],
)  # fmt: skip
def test_sizes(text, size):
    assert kinds.size.parse(text) == size


@pytest.mark.parametrize("text", ["1.5M", "-1", "", "K", "1 XB", "1 K i B", "0x10", "\u0663"])
def test_sizes_refused(text):
    with pytest.raises(ValueError, match="expected a size in bytes"):
        kinds.size.parse(text)


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("ms", "500", 0.5), ("ms", "500 ms", 0.5), ("ms", "2 s", 2.0), ("s", "1.5 s", 1.5),
        ("s", "3 m", 180.0), ("s", "1 h", 3600.0), ("s", "30", 30.0), ("s", ".5", 0.5),
        ("s", "100us", 0.0001), ("h", "2", 7200.0), ("ms", "0", 0.0), ("s", "1 d", 86400.0),
    ],
)  # fmt: skip
def test_durations(unit, text, seconds):
    assert kinds.duration(unit).parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1,5 s", "1e3", "5 sec", "1 s 2 ms", "nan", "inf"])
def test_durations_refused(text):
    with pytest.raises(ValueError, match=r"a bare number is in ms"):
        kinds.duration("ms").parse(text)


def test_a_duration_has_ends():
    kind = kinds.duration("s", least=1, most=60)
    for text in ("999 ms", "61"):
        with pytest.raises(ValueError, match="expected a time of at"):
            kind.parse(text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "500 ms"),
        (60.0, "1 m"),
        (90.0, "90 s"),
        (0.0, "0 s"),
        (7200.0, "2 h"),
        (1e-5, "10 us"),
    ],
)
def test_durations_are_shown_in_the_largest_unit_that_fits(value, shown):
    assert kinds.duration("s").show(value) == shown


def test_files_know_the_home_directory():
    assert kinds.file.parse("~/x") == str(Path.home() / "x")
    for text in ("-", "", "x", "/a/b", "$HOME/x", "~nosuchuser/x"):
        assert kinds.file.parse(text) == text


def test_lists_end_at_commas_and_may_go_on_in_the_next_line():
    assert kinds.names.parse(" a , b,\nc") == ("a", "b", "c")
    assert kinds.names.parse(" ") == ()
    for text in ("a,", ",", "a,,b", "a\nb"):
        with pytest.raises(ValueError, match="expected"):
            kinds.names.parse(text)


def test_kinds_that_name_sections_say_so():
    assert kinds.section.refers == kinds.sections.refers == "handler"
    assert kinds.daemon_sections.refers == "daemon"
    assert kinds.names.refers == ""


def test_a_choice_hints():
    with pytest.raises(ValueError, match='expected local or remote; did you mean "local"'):
        kinds.choice("local", "remote").parse("LOCAL")
    kind = kinds.choice("sub", elsewhere={"pub": "pub sends"})
    with pytest.raises(ValueError, match='found "PUB", expected sub; pub sends'):
        kind.parse("PUB")


def test_what_is_not_supported_can_be_off():
    kind = kinds.unsupported("this is", off=("", "0"))
    assert kind.parse("") == ""
    assert kind.parse("0") == "0"
    with pytest.raises(ValueError, match="this is not supported yet"):
        kind.parse("1")


def test_long_texts_are_cut_in_errors():
    with pytest.raises(ValueError, match=r"^found .{1,62}, expected"):
        kinds.integer.parse("x" * 1000)


def test_a_plugin_can_have_kinds_of_its_own():
    kind = kinds.checked("angle", lambda text: math.radians(float(text)), lambda value: "180")
    assert kind.parse(kind.show(math.pi)) == math.pi


def test_permissions_are_octal_digits():
    assert (kinds.file_mode.parse("600"), kinds.file_mode.parse("0660")) == (0o600, 0o660)
    assert (kinds.file_mode.show(0o640), kinds.file_mode.show(None)) == ("640", "")
    assert kinds.file_mode.parse(" ") is None
    for text in ("6", "688", "rw-", "01777", "-600", "٦٠٠"):
        with pytest.raises(ValueError, match="three octal digits"):
            kinds.file_mode.parse(text)
