async def test_who_wants_to_know_hears_who_is_gone(kit):
    made = kit()
    heard = []

    def leave(identity):
        heard.append(identity)
        made.departures.remove(leave)

    made.departures.extend((leave, lambda identity: heard.append(identity.upper())))
    made.departed(b"a")
    made.departed(b"b")
    assert heard == [b"a", b"A", b"B"]
