"""The errors that a service gets."""

from ccproxy.service import SessionRefused


def test_a_refusal_names_the_plug_and_the_status():
    error = SessionRefused("store_client", 403)
    assert (error.plug, error.status) == ("store_client", 403)
    assert str(error) == "plug store_client: refused with status 403"
    assert not isinstance(error, OSError), "a broken connection may be tried again, this may not"
