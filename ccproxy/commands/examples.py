"""The verb `examples`: writes out the example configurations, plugins and the unit for systemd.

They come with the distribution; in a checkout they are the files of the checkout. It must never
change an existing file without `--force`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import ccproxy
from ccproxy.commands import common
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver examples                      write conf/ and contrib/ into this folder
  ccserver examples --list               only print what there is
  ccserver examples ~/try && cd ~/try && ccserver conf/echo.ini

If one of the files exists already, nothing is written and the exit status is 1; --force
overwrites it. In the folder of the source all of them are where they belong."""

DISTRIBUTION = "ccserver"
START = PurePosixPath("conf/echo.ini")
"""The example to begin with."""
SHARE = PurePosixPath("share/ccserver")
"""The folder of the examples, below that of the Python environment."""
CHANGELOG = "CHANGELOG.md"
"""A file in the same folder that is not an example."""
PATTERNS = (
    "conf/*.ini", "conf/*.test", "contrib/plugins/*.py", "contrib/redirect/*.py",
    "contrib/shop/*.py", "contrib/monitoring/*", "contrib/systemd/*.service",
)  # fmt: skip
"""The same files in a checkout."""


class ExamplesVerb(Verb):
    """`ccserver examples`."""

    about = "write out example configurations and plugins"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the folder."""
        parser.add_argument(
            "folder", metavar="DIR", nargs="?", type=Path, default=Path(),
            help="folder to write into; made if it is missing (default: this one)",
        )  # fmt: skip
        parser.add_argument("--force", action="store_true", help="overwrite existing files")
        parser.add_argument("--list", action="store_true", help="print the names, write nothing")

    def run(self, options: argparse.Namespace) -> int:
        """Write or list; 1 if there is nothing to write, or a file exists already."""
        files = sorted(sources())
        if not files:
            return common.fail(
                "no examples here: neither an installed ccserver nor a checkout of it"
            )
        if options.list:
            print("\n".join(str(name) for name, _ in files))
            return 0
        folder: Path = options.folder
        if all((folder / name).resolve() == source.resolve() for name, source in files):
            print(f"the examples are here already; begin with: ccserver {folder / START}")
            return 0
        there = [name for name, _ in files if (folder / name).exists()]
        if there and not options.force:
            names = " ".join(map(str, there[:3])) + (" ..." if there[3:] else "")
            hint = "nothing written; name another folder, or --force overwrites"
            return common.fail(f"exists already in {folder}: {names}; {hint}")
        try:
            for name, source in files:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
        except OSError as error:
            return common.fail(str(error))
        print(f"{len(files)} files written; begin with: ccserver {folder / START}")
        return 0


def sources() -> Iterator[tuple[PurePosixPath, Path]]:
    """Each file: its name in the folder that is written, and where it is now."""
    checkout = Path(ccproxy.__file__).parents[1]
    if (checkout / "conf" / "echo.ini").exists():
        for pattern in PATTERNS:
            for file in checkout.glob(pattern):
                yield PurePosixPath(file.relative_to(checkout).as_posix()), file
        return
    yield from installed()


def installed() -> Iterator[tuple[PurePosixPath, Path]]:
    """The files of the installed distribution, according to its record, without the compiled
    Python files that the record contains as well."""
    try:
        recorded = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        return
    for one in recorded:
        _, shared, name = one.as_posix().partition(f"{SHARE}/")
        if shared and one.suffix != ".pyc" and name != CHANGELOG:
            yield PurePosixPath(name), Path(str(one.locate()))
