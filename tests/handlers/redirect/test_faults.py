"""Every failure is an IOException, which Jolie programs catch."""

import pytest

from ccproxy_handlers.redirect import faults

FAULTS = {
    "Unknown resource: /Nope; there are none": faults.unknown_resource("/Nope"),
    "Invalid operation: nope": faults.invalid_operation("nope"),
    "Connection refused": faults.refused(""),
    "No route to host": faults.refused("No route to host"),
    "Connection closed by the service before its answer": faults.lost(""),
    "Connection reset": faults.lost("Connection reset"),
    "No answer from the service within 2.5 s": faults.silent(2.5),
    "No connection to the service within 30 s": faults.unreachable(30.0),
    "Too many calls: 10 without answer": faults.full("10 without answer"),
    "http cannot carry the call: raw": faults.not_portable("http", "raw"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_the_text_of_each(text):
    fault = FAULTS[text]
    assert (fault.name, fault.value.tree().payload) == ("IOException", text)
    assert not fault.value.tree().children


def test_the_text_of_a_stranger_is_cut():
    long = faults.unknown_resource("/" + "x" * 9999).value.tree().payload
    assert len(long) == len("Unknown resource: ; there are none") + 200
    assert len(faults.invalid_operation("x" * 9999).value.tree().payload) < 250


def test_some_of_very_many_resources_are_named():
    names = {f"R{number}": "h:r" for number in range(25)}
    text = faults.unknown_resource("/Nope", names).value.tree().payload
    assert text.endswith("there are R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 and 15 more")


def test_an_operator_hears_of_a_service_that_does_not_answer_and_of_nothing_else():
    unanswered = {text for text, one in FAULTS.items() if isinstance(one, faults.Unanswered)}
    of_callers = ("Unknown resource", "Invalid operation", "http cannot carry")
    assert unanswered == {text for text in FAULTS if not text.startswith(of_callers)}
    for reason in (faults.CALLER_GONE, faults.STOPS):
        assert not isinstance(faults.lost(reason), faults.Unanswered)
