"""An example verb: `ccserver routes FILE` lists the routes of a configuration and their handlers.

It is found when a plugin folder of FILE holds it: `plugins = contrib/plugins`.
"""

from pathlib import Path

from ccproxy import Verb
from ccproxy.commands import common


class Routes(Verb):
    """`ccserver routes`."""

    about = "list the routes of a configuration"
    examples = "examples:\n  ccserver routes conf/echo.ini"

    def arguments(self, parser):
        """Declare the file."""
        parser.add_argument("file", metavar="FILE", type=Path, help="an INI file")

    def run(self, options):
        """Print a line for each route; 78 if the file has mistakes."""
        plan, problems = common.load(options.file)
        if plan is None:
            common.print_problems(problems)
            return common.BAD_CONFIGURATION
        words = {one.section: one.word for one in plan.handlers}
        for route in plan.routes:
            places = ", ".join(f"{name} ({words.get(name)})" for name in route.sections)
            print(f"{route.prefix} = {places}")
        return 0
