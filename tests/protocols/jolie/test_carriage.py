import pytest

from ccproxy.protocols.jolie.carriage import READ_AS, REFUSED
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Call, Unportable

FORMS = {"sodep": Sodep(), "http": Http(), "jsonrpc": JsonRpc()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.what)
def test_each_row_is_refused_by_the_forms_it_names_and_by_no_other(row, form):
    call = Call("/", "echo", row.example)
    if form in row.refused:
        with pytest.raises(Unportable):
            FORMS[form].request(call, 1)
    else:
        FORMS[form].request(call, 1)


def test_every_row_says_something():
    assert all(row.what and row.refused <= {*FORMS, "cc"} for row in REFUSED)
    assert all(one.written and one.read and one.where for one in READ_AS)
