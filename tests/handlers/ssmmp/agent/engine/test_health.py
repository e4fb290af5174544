"""Health controls."""


def test_health(harness):
    harness.up()
    health = []
    for wait, status in ((0, 200), (5, 429), (5, 429), (5, 200), (5, 200)):
        (question,) = [
            m for m in harness.messages(harness.wait(wait)) if m.type.endswith("_request")
        ]
        actions = harness.said("c2", "health_control_response", question.id, service_name="orders",
                             service_instance_id=2, status=status)  # fmt: skip
        health.append([one.status for one in harness.messages(actions)])
    assert health == [[], [429], [429], [200], []]
    assert ("health_control_response", 504) in harness.short(harness.wait(7.5))
    assert harness.short(harness.said("c2", "health_control_response", 1, service_name="orders",
                                  service_instance_id=2, status=500)) == []  # fmt: skip
