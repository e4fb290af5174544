"""What can be the name of an element, and which characters XML has."""

from ccproxy.protocols.jolie.xml.characters import NO_XML, PLAIN, is_name


def test_names():
    assert all(map(is_name, ("a", "_", "é1", "a-b.c")))
    assert not any(map(is_name, ("", "1", "-", "a:b", "a b", "a>", "@x", "a\n")))


def test_characters():
    for text in ("\t\n\r", "\x7f", "\u00e9", "\ufffd", "\U0001f600"):
        assert not NO_XML.search(text)
    for text in ("\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"):
        assert NO_XML.search(text)
    assert PLAIN(b"a\tb\n~ ")
    for text in (b"<", b">", b"&", b"\r", b"\x01", "\u00e9".encode(), b"\x7f"):
        assert not PLAIN(text)
