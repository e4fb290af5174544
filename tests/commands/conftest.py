"""What the tests of the verbs share."""

import logging
import signal
from textwrap import dedent

import pytest

from ccproxy import cli
from ccproxy.net.daemon import HeldSignals


@pytest.fixture
def ini(tmp_path, monkeypatch):
    """Write a file and work beside it, so that its name in messages is short."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="x.ini"):
        (tmp_path / name).write_text(dedent(text))
        return name

    return write


@pytest.fixture
def call(capsys):
    """Run a command in this process: exit status, stdout, stderr."""

    def run(*words):
        capsys.readouterr()
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as error:
            status = error.code
        return (status, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def _restored():
    before = {number: signal.getsignal(number) for number in HeldSignals.NUMBERS}
    level = logging.getLogger().level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.getLogger().setLevel(level)
