"""What a status says of acknowledged delivery survives JSON."""

from ccproxy.server.delivery_values import DeliveryStatus, ReceivedStatus
from ccproxy.server.status import from_json, to_json
from ccproxy.spool.counts import SpoolStatus

SPOOL = SpoolStatus("/spool", True, 300, 1000, 50, "", "", commits=6, failures=2)
DELIVERY = DeliveryStatus(
    "acknowledged", True, 3, 200, 1, 0, "aa" * 16, "bb" * 8, "cc" * 16, SPOOL,
    age=7.5, acknowledged=20, resent=4, duplicates=2, refused={"failed": 5},
)  # fmt: skip


def test_it_is_the_same_behind_json():
    assert from_json(DeliveryStatus, to_json(DELIVERY)) == DELIVERY


def test_what_an_older_server_does_not_say_is_nothing():
    value = to_json(DELIVERY)
    for name in ("age", "acknowledged", "resent", "duplicates", "refused"):
        del value[name]
    assert from_json(DeliveryStatus, value).acknowledged == 0
    assert from_json(ReceivedStatus, {}) == ReceivedStatus()
