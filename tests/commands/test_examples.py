"""The verb `examples`: what it writes, and that it never writes over a file unasked."""

import tomllib
from importlib.metadata import PackagePath
from pathlib import Path

import pytest

from ccproxy import cli
from ccproxy.commands import examples

ROOT = Path(__file__).parents[2]


def test_it_writes_what_a_checkout_has(tmp_path, capsys):
    assert cli.main(["examples", str(tmp_path / "new")]) == 0
    for name in ("conf/echo.ini", "contrib/plugins/hello.py", "contrib/systemd/ccserver@.service"):
        assert (tmp_path / "new" / name).read_bytes() == (ROOT / name).read_bytes()
    assert "begin with: ccserver" in capsys.readouterr().out


def test_a_file_that_is_there_stays_unless_it_is_asked_for(tmp_path, capsys):
    (tmp_path / "conf").mkdir()
    mine = tmp_path / "conf" / "src.ini"
    mine.write_text("mine")
    assert cli.main(["examples", str(tmp_path)]) == 1
    assert "conf/src.ini" in capsys.readouterr().err
    assert [*tmp_path.rglob("*.*")] == [mine] and mine.read_text() == "mine"
    assert cli.main(["examples", "--force", str(tmp_path)]) == 0
    assert mine.read_bytes() == (ROOT / "conf" / "src.ini").read_bytes()


def test_in_the_folder_of_the_source_they_are_where_they_belong(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in ([], ["--force"], [str(ROOT)]):
        assert cli.main(["examples", *words]) == 0
        said = capsys.readouterr().out
        assert "are here already; begin with: ccserver" in said and "conf/echo.ini" in said


def test_a_list_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["examples", "--list"]) == 0
    assert "conf/bridge.ini\n" in capsys.readouterr().out
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["examples", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


class Installed:
    """A distribution as a wheel leaves it: data files beside the packages, in its record."""

    def __init__(self, folder):
        self.files = [
            PackagePath("../../../share/ccserver/conf/echo.ini"),
            PackagePath("../../../share/ccserver/CHANGELOG.md"),
            PackagePath("../../../share/ccserver/contrib/plugins/hello.py"),
            PackagePath(
                "../../../share/ccserver/contrib/plugins/__pycache__/hello.cpython-311.pyc"
            ),
            PackagePath("ccproxy/cli.py"),
            PackagePath("../../../bin/ccserver"),
        ]
        for file in self.files:
            file.dist = self
        self.folder = folder

    def locate_file(self, path):
        return self.folder / path


def test_an_installed_wheel_knows_its_examples_by_its_record(tmp_path, monkeypatch):
    monkeypatch.setattr(examples.ccproxy, "__file__", str(tmp_path / "ccproxy" / "__init__.py"))
    packages = tmp_path / "lib" / "python3" / "site-packages"
    monkeypatch.setattr(examples, "distribution", lambda name: Installed(packages))
    share = tmp_path / "share" / "ccserver"
    assert {(str(name), one.resolve()) for name, one in examples.sources()} == {
        ("conf/echo.ini", share / "conf" / "echo.ini"),
        ("contrib/plugins/hello.py", share / "contrib" / "plugins" / "hello.py"),
    }


def test_without_any_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(examples.ccproxy, "__file__", str(tmp_path / "ccproxy" / "__init__.py"))
    monkeypatch.setattr(examples, "DISTRIBUTION", "surely-no-such-distribution")
    assert cli.main(["examples", str(tmp_path)]) == 1
    assert "neither an installed ccserver nor a checkout" in capsys.readouterr().err


@pytest.mark.parametrize("pattern", examples.PATTERNS)
def test_a_wheel_carries_what_a_checkout_offers(pattern):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    carried = project["tool"]["setuptools"]["data-files"]
    folder = Path(pattern).parent.as_posix()
    assert pattern in carried[f"share/ccserver/{folder}"]
    assert carried["share/ccserver"] == ["CHANGELOG.md"]
    assert [*ROOT.glob(pattern)]
