"""`make faults`: each fault by itself in each mode, and tables of what was lost.

    python -m tests.faults [--faults 1000] [--seed 1] [--mode sent] [--kind cut]

Each kind of fault gets its part of the faults, in one run. Exit status 1 if a promise is broken.
What a machine does not allow is left out, and named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.acts import run
from tests.faults.disk import enter_namespace, why_no_disk
from tests.faults.modes import KINDS, MODES, Mode, broken_promises, usable
from tests.faults.preload import LIBRARIES, why_not
from tests.faults.world import Outcome

COLUMNS = ("mode", "fault", "seed", "faults", "messages", "lost", "doubled", "reordered", "s")
TABLES = (
    ("sent", "acknowledged", "spooled", "chain", "two-spools"),
    ("failover", "balance", "failover-resend", "failover-wait"),
)
"""The modes that stand beside each other in one table."""


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="the fault suite")
    parser.add_argument("--faults", type=int, default=1000, help="in all (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of all runs (default: 1)")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this one")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this one")
    options = parser.parse_args()
    enter_namespace()
    missing = {name: why for name, why in reasons().items() if why}
    for name, why in missing.items():
        print(f"left out: faults that need a {name}, because {why}")
    runs = [
        (mode, kind)
        for mode in MODES.values()
        for kind in usable(mode.kinds, missing)
        if mode.name in (options.mode or MODES) and kind in (options.kind or KINDS)
    ]
    outcomes: dict[tuple[str, str], Outcome] = {}
    wrong = []
    print(row(COLUMNS), row(["---"] * len(COLUMNS)), sep="\n", flush=True)
    for number, (mode, kind) in enumerate(runs):
        # Every run has a whole number of faults, and together they are as many as asked for.
        count = (options.faults + number) // len(runs) or 1
        try:
            outcome = outcomes[mode.name, kind] = one_run(mode, kind, options.seed, count)
        except Exception as error:
            wrong.append(f"{mode.name}, {kind}, seed {options.seed}: {error!r}")
            continue
        found = outcome.found
        print(
            row([mode.name, kind, outcome.seed, outcome.faults[kind], found.sent, found.lost,
                 found.doubled, found.reordered, f"{outcome.seconds:.1f}"]), flush=True,
        )  # fmt: skip
        wrong += [f"{mode.name}, {outcome}: {one}" for one in broken_promises(mode, outcome)]
    for names in TABLES:
        print("", *table(names, outcomes), sep="\n")
    faults = sum(sum(one.faults.values()) for one in outcomes.values())
    print("", f"{faults} faults in {len(outcomes)} runs", sep="\n")
    print(*(f"broken: {one}" for one in wrong), sep="\n")
    return int(bool(wrong))


def reasons() -> dict[str, str]:
    """Why what faults need is not to be had here."""
    return {"disk": why_no_disk(), **dict.fromkeys(LIBRARIES, why_not())}


def one_run(mode: Mode, kind: str, seed: int, count: int) -> Outcome:
    """So many faults of one kind."""
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        return run(Path(folder), seed, ((kind,), count), mode.under((kind,)))


def table(names: tuple[str, ...], outcomes: dict[tuple[str, str], Outcome]) -> list[str]:
    """What came of each fault in some modes, as a table for the documentation."""
    lines = [
        row(["fault", *(MODES[name].about for name in names)]),
        row(["---"] * (len(names) + 1)),
    ]
    for kind in KINDS:
        cells = [cell(outcomes.get((name, kind))) for name in names]
        if any(one != "-" for one in cells):
            lines.append(row([kind, *cells]))
    return lines


def cell(outcome: Outcome | None) -> str:
    """One run in a few words."""
    if outcome is None:
        return "-"
    found = outcome.found
    more = [
        f"{count:,} {word}"
        for count, word in ((found.doubled, "doubled"), (found.reordered, "late"))
        if count
    ]
    return ", ".join([f"{found.lost:,} of {found.sent:,}", *more])


def row(cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
