"""The optional extension, and nothing else: everything that is declared stands in pyproject.toml.

The files of `SOURCES` are plain Python; compiled by Cython, unchanged, `NAME.py` becomes the module
`_NAME` beside it. If Cython, a compiler or a file is missing, the install goes on without it.
With CCPROXY_PURE in the environment nothing is compiled, which makes a wheel for every machine.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SOURCES = {
    "ccproxy.core._addresses": "ccproxy/core/addresses.py",
    "ccproxy.core._heads": "ccproxy/core/heads.py",
    "ccproxy.core._hot": "ccproxy/core/hot.py",
    "ccproxy.core._walk": "ccproxy/core/walk.py",
    "ccproxy.net._hot": "ccproxy/net/hot.py",
    "ccproxy.protocols.jolie.sodep._fastpath": "ccproxy/protocols/jolie/sodep/fastpath.py",
    "ccproxy.protocols.jolie.sodep._hot": "ccproxy/protocols/jolie/sodep/hot.py",
    "ccproxy.protocols.jolie.sodep._scan": "ccproxy/protocols/jolie/sodep/scan.py",
    "ccproxy.wire.zmtp._boxes": "ccproxy/wire/zmtp/boxes.py",
}


def extensions() -> list[Extension]:
    """The compiled data path, or nothing when it cannot be made here."""
    found = {name: file for name, file in SOURCES.items() if Path(file).exists()}
    if not found or os.environ.get("CCPROXY_PURE"):
        return []
    try:
        from Cython.Build import cythonize
        from Cython.Compiler.Errors import CompileError
    except ImportError as error:
        print(f"ccproxy: plain Python data path ({error})", file=sys.stderr)
        return []
    declared = [Extension(name, [file]) for name, file in found.items()]
    try:
        made = cythonize(declared, build_dir="build/cython", quiet=True, force=True)
    except (CompileError, OSError) as error:
        print(f"ccproxy: plain Python data path ({error})", file=sys.stderr)
        return []
    for one in made:
        one.optional = True  # set here, because cythonize loses it on the way
    return made


class WithoutOld(build_py):
    """Removes what an earlier build compiled: if it fails now, that would be installed again."""

    def run(self) -> None:
        """It comes before the extensions are made."""
        places = [self.build_lib, *(["."] if getattr(self, "editable_mode", False) else [])]
        for place in places:
            for name in SOURCES:
                for old in Path(place).glob(f"{name.replace('.', '/')}.*.so"):
                    old.unlink()
        super().run()


setup(ext_modules=extensions(), cmdclass={"build_py": WithoutOld})
