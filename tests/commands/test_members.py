"""Members of groups, as handlers say them, also those that say something else."""

from ccproxy.commands.members import ListedMember, any_up, counted, members_of


def test_members_and_who_is_used():
    facts = {
        "to": ["h:b"],
        "members": [{"section": "h:a", "state": "refused"}, {"section": "h:b", "state": "up"}],
    }
    found = members_of(facts)
    assert found == [ListedMember("h:a", "refused", False), ListedMember("h:b", "up", True)]
    assert any_up(found) and counted(found) == "1 of 2 up"
    assert not any_up(found[:1]) and counted(found[:1]) == "none of 1 up"


def test_facts_of_other_handlers():
    assert members_of({}) == members_of({"members": 5, "to": []}) == []
    assert members_of({"members": [{"section": "h:a"}]}) == []
    odd = {"to": [1], "members": ["h:a", {"section": 1}, {"section": "h:c", "state": None}]}
    assert members_of(odd) == [ListedMember("h:c", "None", False)]
