"""Faults in a row while messages pass: what each mode of delivery promises holds.

    FAULTS=1000 FAULT_SEED=7 pytest tests/faults      more faults, or those of a run that failed

CI takes a new seed each time; the failure names it.
"""

import os
import random

import pytest

from tests.faults.acts import run
from tests.faults.disk import why_no_disk
from tests.faults.modes import (
    CLOCK,
    COPIES,
    DISK,
    MIXED,
    MODES,
    SOURCE,
    UNBROKEN,
    broken_promises,
    usable,
)
from tests.faults.preload import LIBRARIES, why_not

FAULTS = int(os.environ.get("FAULTS", "100"))
NEW = random.SystemRandom().randrange(10**6) if os.environ.get("CI") == "true" else 1
SEED = int(os.environ.get("FAULT_SEED", NEW))
REASONS = {"disk": why_no_disk(), **dict.fromkeys(LIBRARIES, why_not())}
MISSING = {name: why for name, why in REASONS.items() if why}
EVERYTHING = (*MIXED, *UNBROKEN)
SPOOLS = (*MIXED, *UNBROKEN, *SOURCE, *DISK, *COPIES[:2], *CLOCK)
CASES = [
    ("sent", "unbroken", UNBROKEN, 25),
    ("sent", "mixed", MIXED, 20),
    ("acknowledged", "everything", EVERYTHING, 20),
    ("chain", "everything", SPOOLS, 15),
    ("two-spools", "everything", SPOOLS, 5),
    ("failover-resend", "everything", EVERYTHING, 8),
    ("failover-wait", "everything", EVERYTHING, 7),
]
"""Mode, a name, the kinds of faults, and how many of a hundred faults they are."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("mode", "kinds", "percent"),
    [(mode, kinds, percent) for mode, _, kinds, percent in CASES],
    ids=[f"{mode}-{name}" for mode, name, _, _ in CASES],
)
def test_a_mode_keeps_its_promises(tmp_path, mode, kinds, percent):
    one, kinds = MODES[mode], usable(kinds, MISSING)
    faults = kinds, FAULTS * percent // 100
    outcome = run(tmp_path, SEED, faults, one.under(kinds))
    print(outcome)
    assert not broken_promises(one, outcome), outcome
