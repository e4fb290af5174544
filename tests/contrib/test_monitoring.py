"""Files for Prometheus and Grafana: they name metrics, labels, fates and reasons that there are."""

import json
import re
from pathlib import Path

import pytest

from ccproxy.core.ledger import FATES
from ccproxy.server.metrics import LATENCIES, families
from ccproxy.server.status import (
    HandlerStatus,
    LatencyStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    ProcessStatus,
    SinksStatus,
    SinkStatus,
    Status,
)
from tests.server.test_delivery_values import DELIVERY

FOLDER = Path(__file__).parents[2] / "contrib" / "monitoring"
FILES = sorted(FOLDER.iterdir())
SINK = SinkStatus("h:x", 0, 0, 0, 0, {})
STATUS = Status(
    ProcessStatus("x", "/x.ini", "1", 7, 0, 1.0, 2.0, (1.0, 1.0), "L", "3", "c"),
    (ListenerStatus("ccserver", "cc", "", 0, 0, {"accepted": 1, "key-refused": 1}),),
    (LinkStatus("h:x", "", "up", "", 0, SINK, delivery=DELIVERY),),
    (HandlerStatus("h:x", "proxy", {}, {}),),
    (), SinksStatus(0, 0, 0, {}, (), {"h:x": {"full": 1}}), 0, 0, LedgerStatus(0, 0, {}, {}),
    latencies=tuple(LatencyStatus(name, "h:x", (0.1,), (1, 0), 0.1) for name in LATENCIES),
)  # fmt: skip
SAMPLES = {
    one.name: set(one.labels) | {"instance", "job"}
    for family in families(STATUS)
    for one in family.samples
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_metric_that_is_named_exists_with_its_labels(file):
    text = file.read_text("utf-8").replace('\\"', '"')
    found = re.findall(r"(ccserver_\w+)(?:\{([^}]*)\})?", text)
    assert found or file.name == "prometheus.yml"
    for name, labels in found:
        assert name in SAMPLES, name
        assert set(re.findall(r"(\w+)=", labels)) <= SAMPLES[name], (name, labels)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_fates_that_are_named_exist(file):
    text = file.read_text("utf-8").replace('\\"', '"')
    for fates in re.findall(r'fate=~?"([^"]*)"', text):
        assert set(fates.split("|")) <= set(FATES)


def test_the_dashboard_is_json_whose_panels_lie_side_by_side():
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    places = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["targets"] and panel["title"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & places, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_says_where():
    rules = (FOLDER / "alerts.yml").read_text("utf-8").split("- alert: ")[1:]
    assert len(rules) > 8
    for rule in rules:
        assert "expr: " in rule and "severity: " in rule and "$labels.instance" in rule
