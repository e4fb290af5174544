"""README and docs/ say what is true: code blocks are run or checked, links lead somewhere.

A block is checked by its language; CONTRIBUTING.md says how. An HTML comment in front of a block,
`<!-- docs: WORD ARGUMENT; REASON -->`, changes that:

    run             console: run the commands, in the folder of the page, and compare the output
    file NAME       write the block to a file in the folder of the page
    fragment        Python that is only compiled; with a reason
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest

from ccproxy import cli, kinds
from ccproxy.commands import common, examples
from ccproxy.testing import free_ports
from ccproxy_handlers.ssmmp import graphfile, repository
from tests.certificates import Authority

ROOT = Path(__file__).parents[1]
BASE = "https://github.com/ccproxy/ccproxy/blob/main/"
"""In front of links of README.md, which the package index shows without the files beside it."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
LANGUAGES = {"console", "ini", "python", "toml", "text"}
OTHER_PROGRAMS = {
    "cd", "cp", "curl", "journalctl", "kill", "mkdir", "pip", "pipx", "python", "python3", "rm",
    "sed", "sleep", "systemctl", ".", "make", "ccserver", "pytest",
}  # fmt: skip
"""What a console block may begin a line with."""
PORT = r"\b(?:(?:226|55)\d\d|1000\d)\b"
"""Ports of the examples: those of CC and of CAMEO, and those that the manual of ZeroMQ likes."""
TIMEOUT = 60.0
"""Seconds that the blocks of one command may take."""


@dataclass(frozen=True, slots=True)
class Block:
    """One code block, and what the comment in front of it says."""

    page: str
    line: int
    language: str
    mark: str
    argument: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, without what explains them behind wide space."""
        found = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [re.split(r"\s{3,}|\s+#\s", one)[0] for one in found]


def blocks_of(page: Path) -> list[Block]:
    found: list[Block] = []
    mark, start, language, lines = "", 0, "", []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if start and line.strip() == "```":
            word, _, rest = mark.partition(";")
            word, _, argument = word.strip().partition(" ")
            text = "\n".join(lines) + "\n"
            where = page.relative_to(ROOT).as_posix()
            found.append(Block(where, start, language, word, argument or rest.strip(), text))
            mark, start, lines = "", 0, []
        elif start:
            lines.append(line)
        elif line.startswith("```"):
            start, language = number, line[3:].strip()
        elif comment := re.fullmatch(r"<!-- docs: (.*) -->", line):
            mark = comment[1]
    assert not start, f"{page}:{start} never ends"
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.name)


def test_every_block_has_a_language_and_every_mark_a_meaning():
    for block in BLOCKS:
        assert block.language in LANGUAGES, block.name
        assert block.mark in {"", "run", "file", "fragment"}, block.name
        if block.mark == "run":
            assert block.language == "console", block.name
        if block.mark in {"file", "fragment"}:
            assert block.argument, f"{block.name}: {block.mark} needs a name or a reason"


def test_exceptions_are_few():
    assert len([block for block in BLOCKS if block.mark == "fragment"]) <= 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the example files, as `ccserver examples` leaves it, and with some keys."""
    assert cli.main(["examples", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys" / "allowed").mkdir(parents=True)
    for name in ("server", "sensor", "site-a", "site-b"):
        assert cli.main(["keygen", f"keys/{name}"]) == 0
    for name, text in (("users", ""), ("password", "secret")):
        (tmp_path / "keys" / name).write_text(text)
        (tmp_path / "keys" / name).chmod(0o600)
    Authority(tmp_path / "keys").parts("localhost", files=("server.pem", "server-key.pem"))
    return tmp_path


# INI blocks


def completed(text: str) -> str:
    """A fragment with what a whole configuration needs besides; a whole one stays as it is."""
    sections = re.findall(r"(?m)^\[(.+)\]", text)
    if "ccserver" in sections:
        return text
    named = [one for one in sections if one.startswith("h:")]
    wanted = re.findall(r"\bh:[\w-]+", re.sub(r"(?m)^\[.*\]|[;#].*$", "", text))
    head = "[ccserver]\ncc-socket = tcp://127.0.0.1:22632\ncc-role = remote\n"
    head += "plugins = contrib/plugins\n"
    if "routes" not in sections:
        head += "[routes]\n" + "".join(f"{one[2:]} = {one}\n" for one in named)
    missing = sorted(set(wanted) - set(named))
    return head + text + "".join(f"[{one}]\nhandler = disposer\n" for one in missing)


@of("ini")
def test_a_configuration_passes_check(block, folder):
    sections = re.findall(r"(?m)^\[(\w+)", block.text)
    if {"app", "service"} & set(sections):
        assert graphfile.parse("it", block.text)[1] == []
    elif "program" in sections:
        assert repository.parse("it", block.text)[1] == []
    elif "Unit" in sections or "Service" in sections:
        ConfigParser(strict=False, interpolation=None).read_string(block.text)
    else:
        file = folder / "it.ini"
        if block.mark == "file":
            for other in blocks_of(ROOT / block.page):
                if other.mark == "file":
                    (folder / other.argument).write_text(other.text, "utf-8")
            file = folder / block.argument
        else:
            file.write_text(completed(block.text), "utf-8")
        plan, problems = common.load(file)
        assert plan is not None and problems == [], [str(one) for one in problems]


# Python and TOML blocks


@of("python")
def test_python_compiles(block):
    flags = 0x2000 if block.mark == "fragment" else 0  # await outside of functions
    compile(block.text, block.name, "exec", flags=flags)


@of("toml")
def test_toml_is_read_and_its_entry_points_exist(block, folder, monkeypatch):
    read = tomllib.loads(block.text)
    for other in blocks_of(ROOT / block.page):
        if other.mark == "file":
            (folder / other.argument).write_text(other.text, "utf-8")
    for points in read.get("project", {}).get("entry-points", {}).values():
        for value in points.values():
            module, _, name = value.partition(":")
            found = subprocess.run([sys.executable, "-c", f"from {module} import {name}"])
            assert found.returncode == 0


# Console blocks


@of("console")
def test_each_command_is_one_that_works(block):
    assert block.commands, block.name
    for command in block.commands:
        for part in re.split(r"\s*(?:&&|\|)\s*", command.removesuffix("&").strip()):
            check_command(shlex.split(part))


def check_command(words: list[str]) -> None:
    program, *rest = words
    assert program in OTHER_PROGRAMS, words
    if program == "ccserver":
        parse(rest)
    if program == "make":
        for target in [one for one in rest if "=" not in one]:
            assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8"), words
    if program == "python" and rest[0] != "-m":
        assert (ROOT / rest[0]).exists(), words


def parse(words: list[str]) -> None:
    """What the verb's own parser says of the words behind `ccserver`."""
    verb, rest = cli.split_verb(words, cli.Verbs())
    parser = cli.parser_of(verb or cli.DEFAULT)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            cli.parsed(parser, rest)
        except SystemExit as error:
            assert not error.code, f"{words}: {said.getvalue()}"


# Pages as sessions


class Shell:
    """One bash in a folder; each command runs to its end, and what it prints is kept."""

    END = "that-was-all"

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "HOME": str(folder), "PYTHONPATH": str(folder)}
        self._process = subprocess.Popen(
            ["timeout", str(5 * TIMEOUT), "bash", "--norc"],
            cwd=folder, env=environment, text=True, bufsize=1, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str) -> tuple[str, int]:
        """What it printed, the lines of programs in the background among it; its exit status."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{command}\necho {self.END} $?\n")
        lines = []
        for line in self._process.stdout:
            if self.END in line:
                status = int(line.rpartition(" ")[2])
                return "".join(lines), status
            lines.append(line)
        raise AssertionError(f"the shell ended in {command}:\n{''.join(lines)}")

    def wait_for(self, text: str, said: str) -> str:
        """What was said, and what programs in the background print until the text is there."""
        end = time.monotonic() + TIMEOUT
        while text not in said:
            assert time.monotonic() < end, f"no {text!r} within {TIMEOUT:g} s:\n{said}"
            said += self.run("sleep 0.1")[0]
        return said

    def close(self) -> None:
        """End it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait(TIMEOUT)


def ports_of(text: str) -> list[str]:
    return sorted(set(re.findall(PORT, text)))


def sessions() -> list[Path]:
    """Pages with something to run."""
    return [
        page for page in PAGES if any(one.mark == "run" or runs(one) for one in blocks_of(page))
    ]


def runs(block: Block) -> bool:
    return block.language == "python" and block.mark == ""


@pytest.mark.parametrize("page", sessions(), ids=lambda page: page.name)
def test_what_a_page_shows_is_what_happens(page, folder, monkeypatch):
    blocks = blocks_of(page)
    written = [one.read_text("utf-8") for one in examples_in(folder)]
    ports = ports_of("\n".join([*written, *(one.text for one in blocks)]))
    free = dict(zip(ports, map(str, free_ports(len(ports))), strict=True))

    def with_free_ports(text: str) -> str:
        return re.sub(PORT, lambda found: free.get(found[0], found[0]), text)

    rewrite(folder, with_free_ports)
    shell = Shell(folder)
    try:
        for block in blocks:
            follow(shell, block, with_free_ports, folder)
    finally:
        shell.close()


def examples_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("conf/*.ini"))


def rewrite(folder: Path, with_free_ports: Callable[[str], str]) -> None:
    """Give the examples free ports: another suite may run on this machine at the same time."""
    for file in examples_in(folder):
        file.write_text(with_free_ports(file.read_text("utf-8")), "utf-8")


def follow(shell: Shell, block: Block, with_free_ports, folder: Path) -> None:
    """Do what a reader would do with a block."""
    text = with_free_ports(block.text)
    if block.mark == "file":
        (folder / block.argument).write_text(text, "utf-8")
    elif runs(block):
        said, status = shell.run(f"python -W error - <<'PYTHON'\n{text}\nPYTHON")
        assert status == 0, f"{block.name}:\n{said}"
    elif block.mark == "run":
        for command, expected in shown(text):
            said, status = shell.run(command)
            if command.endswith(" &"):
                said = shell.wait_for(" ready ", said)
            fine = (0, 1) if command.startswith("ccserver explain") else (0,)
            assert status in fine and "Traceback" not in said, f"{block.name}: {command}\n{said}"
            assert_shown(block.name, expected, said)
            if command.startswith("ccserver examples"):
                rewrite(folder, with_free_ports)


def shown(text: str) -> list[tuple[str, list[str]]]:
    """Each command of a console block with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip() != "...":
            found[-1][1].append(line)
    return found


def assert_shown(name: str, expected: list[str], said: str) -> None:
    """The expected lines are among those printed, in order; `...` stands for anything."""
    lines = iter(said.splitlines())
    for wanted in expected:
        pattern = ".*".join(map(re.escape, wanted.split("...")))
        assert any(re.fullmatch(pattern, line) for line in lines), f"{name}: {wanted}\n{said}"


# Links


def anchor(title: str) -> str:
    """The name GitHub gives to a heading."""
    plain = re.sub(r"[`*]", "", title.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"(?s)```.*?```", "", page.read_text("utf-8"))
    return {anchor(title) for title in re.findall(r"(?m)^#+ (.*)$", text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"(?s)```.*?```", "", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, name = link.partition("#")
        if page.name == "README.md":
            assert link.startswith(BASE), f"{link}: the package index shows README alone"
        if target.startswith(BASE):
            file = ROOT / target.removeprefix(BASE)
        elif "://" in target:
            continue
        else:
            file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {link}"
        if name:
            assert name in anchors(file), f"{page.name}: {link}"


def test_the_project_urls_have_the_base_of_the_links():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert f"{urls['Homepage']}/blob/main/" == BASE


# Sizes and lists


def test_the_readme_can_be_read_in_minutes():
    assert 100 <= len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 180


def test_lines_are_of_a_readable_length():
    for page in PAGES:
        text = re.sub(r"(?s)<!-- reference: begin.*reference: end -->", "", page.read_text("utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            fine = len(line) <= 120 or line.startswith("|") or "](" in line
            assert fine, f"{page.name}:{number}"


@pytest.mark.parametrize("name", kinds.__all__)
def test_every_kind_of_value_is_documented(name):
    if name != "wrong":
        assert f"`kinds.{name}" in (ROOT / "docs" / "config.md").read_text("utf-8")


def test_every_example_plugin_is_in_the_tutorial_or_the_architecture():
    pages = [
        (ROOT / "docs" / name).read_text("utf-8") for name in ("tutorial.md", "architecture.md")
    ]
    for file in ROOT.glob("contrib/plugins/*.py"):
        assert f"contrib/plugins/{file.name}" in "".join(pages), file.name


def test_the_examples_of_the_readme_are_those_that_are_written_out():
    names = {str(name) for name, _ in examples.sources() if name.match("conf/*.ini")}
    text = (ROOT / "README.md").read_text("utf-8")
    assert names == {one for one in names if f"{BASE}{one}" in text}


def test_the_tests_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    tests = (ROOT / "tests" / "test_files_to_touch.py").read_text("utf-8")
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, name
