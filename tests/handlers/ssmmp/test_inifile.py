from ccproxy_handlers.ssmmp.inifile import close, read


def test_sections_entries_and_their_lines():
    sheet = read(
        "f", "# all\n[program a]\r\nx = 1 ; one\ny=2\n\n[app]\n", {"program": True, "app": False}
    )
    assert not sheet.problems
    first, second = sheet.sections
    assert (first.kind, first.name, first.line, second.kind) == ("program", "a", 2, "app")
    assert {k: (e.text, e.line) for k, e in first.entries.items()} == {"x": ("1", 3), "y": ("2", 4)}
    assert (first.line_of("y"), first.line_of("z")) == (4, 2)
    assert sheet.of("app") == [second]


def test_a_hash_inside_a_value_is_no_comment():
    sheet = read("f", "[a]\nx = colour#1 #2\n", {"a": False})
    assert sheet.sections[0].entries["x"].text == "colour#1"


def test_close():
    assert close("plgus", ["plugs", "sockets"]) == 'did you mean "plugs"?'
    assert close("x", ["plugs"]) == ""
