"""The optional extension, and nothing else: everything that is declared stands in pyproject.toml.

`ccproxy/core/hot.py` is plain Python; compiled by Cython, unchanged, it becomes `_hot`. Whatever
is missing or fails here (Cython, a compiler, the file) the install goes on without it.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

SOURCE = "ccproxy/core/hot.py"


def extensions() -> list[Extension]:
    """The compiled data path, or nothing when it cannot be made here."""
    if not Path(SOURCE).exists():
        return []
    try:
        from Cython.Build import cythonize
        from Cython.Compiler.Errors import CompileError
    except ImportError as error:
        print(f"ccproxy: plain Python data path ({error})", file=sys.stderr)
        return []
    hot = Extension("ccproxy.core._hot", [SOURCE])
    try:
        made = cythonize([hot], build_dir="build/cython", quiet=True, force=True)
    except (CompileError, OSError) as error:
        print(f"ccproxy: plain Python data path ({error})", file=sys.stderr)
        return []
    for one in made:
        one.optional = True  # set here, because cythonize loses it on the way
    return made


setup(ext_modules=extensions())
