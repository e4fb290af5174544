"""A Chromium without a window, driven through chromedriver, and the live page in it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--js-flags=--expose-gc", "--window-size=1200,900",
)  # fmt: skip
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
ROWS = """
const table = document.querySelector(`#${arguments[0]} table`);
if (!table || table.hidden) return [];
const texts = (found) => [...found].map((one) => one.textContent);
const names = texts(table.querySelectorAll("th"));
return [...table.querySelectorAll("tbody tr")].map((row) => {
  const cells = texts(row.children);
  const found = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  return {...found, mark: row.className};
});
"""
NODES = """
return [...document.querySelectorAll("#topology .node")].map((one) => ({
  key: one.dataset.node, marks: one.getAttribute("class").split(" "),
  text: one.querySelector("title").textContent,
  colour: getComputedStyle(one.querySelector("rect")).stroke,
  dashes: getComputedStyle(one.querySelector("rect")).strokeDasharray,
}));
"""
EDGES = """
const labels = document.querySelectorAll("#topology .labels text");
return [...document.querySelectorAll("#topology .edges path")].map((one, index) => ({
  edge: one.dataset.edge, marks: (one.getAttribute("class") ?? "").split(" "),
  label: labels[index].textContent, path: one.getAttribute("d"),
}));
"""
UNSEEN = r"""
const unseen = /[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u000b-\u001f]/;
return unseen.test(document.body.textContent);
"""


def missing() -> str:
    """Why there is no browser here, or nothing."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"no {program} here"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "no selenium here"
    return ""


def axe() -> str:
    """The script of axe-core where `.ci/run` has installed it, else nothing."""
    places = [os.environ.get("NODE_PATH", ""), str(ROOT / ".venv" / "node" / "node_modules")]
    for place in filter(None, places):
        file = Path(place) / "axe-core" / "axe.min.js"
        if file.exists():
            return file.read_text("utf-8")
    return ""


class Browser:
    """One browser; each `open` is a new page, and nothing is kept from the one before."""

    def __init__(self) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        for switch in SWITCHES:
            options.add_argument(switch)
        options.binary_location = str(shutil.which("chromium"))
        options.accept_insecure_certs = True
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, Service(str(shutil.which("chromedriver"))))
        self.driver.set_script_timeout(60)
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def cdp(self, command: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def open(self, address: str, width: int = 1200, height: int = 900) -> None:
        self.size(width, height)
        self.scheme("light")
        self.driver.get("about:blank")
        self.driver.get(address)
        self.run("localStorage.clear(); sessionStorage.clear()")
        self.driver.get("about:blank")
        self.complaints()
        self.driver.get(address)

    def close(self) -> None:
        """Leave the page, and the connections of it."""
        self.driver.get("about:blank")

    def size(self, width: int, height: int) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=width < 500,
        )  # fmt: skip

    def scheme(self, colours: str) -> None:
        """What the system prefers: light or dark."""
        wanted = [{"name": "prefers-color-scheme", "value": colours}]
        self.cdp("Emulation.setEmulatedMedia", media="", features=wanted)

    def find(self, id: str) -> Any:
        return self.driver.find_element("id", id)

    def text(self, id: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", id))

    def rows(self, id: str) -> list[dict[str, str]]:
        """The rows of a table of the page, by the names of its columns, and their marks."""
        found: list[dict[str, str]] = self.run(ROWS, id)
        return found

    def nodes(self) -> dict[str, dict[str, Any]]:
        """What is drawn, by the keys of nodes."""
        return {one["key"]: one for one in self.run(NODES)}

    def edges(self) -> dict[str, dict[str, Any]]:
        """The lines of the drawing, as `FROM > TO`; on narrow screens the outer one comes last."""
        found = {}
        for one in self.run(EDGES):
            ends = one["edge"].split(" > ")
            found[one["edge"]] = found[" > ".join(reversed(ends))] = one
        return found

    def updates(self) -> int:
        """Updates that the page has got."""
        return int(self.run("return document.documentElement.dataset.updates || 0"))

    def unlock(self, token: str) -> None:
        self.find("token").send_keys(f"{token}\n")

    def complaints(self) -> list[str]:
        """What the browser has complained about since the last call."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """What the page tried that its policy forbids."""
        found: list[str] = self.run("return window.violations")
        return found

    def unseen(self) -> bool:
        """True if some text of the page has characters that nobody can see."""
        return bool(self.run(UNSEEN))

    def accessibility(self, script: str) -> list[str]:
        """What axe-core finds serious or critical: the rule, and where it is broken."""
        self.run(script)
        done = "arguments[arguments.length - 1]"
        answer = self.driver.execute_async_script(
            f"const done = {done}; axe.run(document).then((found) => done(JSON.stringify("
            "found.violations.map((one) => [one.impact, one.id, one.nodes[0].html]))));"
        )
        found = json.loads(answer)
        return [" ".join(one) for one in found if one[0] in ("serious", "critical")]

    def heap(self) -> tuple[int, int]:
        """Bytes of scripts that are in use, and the number of nodes, after a collection."""
        self.cdp("HeapProfiler.collectGarbage")
        nodes = self.cdp("Memory.getDOMCounters")["nodes"]
        return int(self.cdp("Runtime.getHeapUsage")["usedSize"]), int(nodes)

    def save(self, name: str) -> None:
        """A picture for the documentation, if the environment says where to."""
        folder = os.environ.get("CCPROXY_SCREENSHOTS")
        if folder:
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def quit(self) -> None:
        self.driver.quit()
