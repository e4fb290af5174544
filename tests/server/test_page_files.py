"""The files of the page: what browsers may do with them, and that they need no others."""

import re

from ccproxy.server.page_files import HEADERS, POLICY, page_files

FILES = page_files()
TEXTS = {path: one.body.decode() for path, one in FILES.items()}


def test_every_file_has_its_type_and_the_policy():
    assert {"/", "/page.js", "/page.css", "/icon.svg"} < FILES.keys()
    for path, one in FILES.items():
        assert one.code == 200 and one.headers == HEADERS
        kind = {"": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        assert one.kind.startswith(kind[path.rpartition(".")[2].strip("/")])


def test_the_policy_forbids_all_but_own_files():
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in POLICY and "*" not in POLICY
    assert rules["require-trusted-types-for"] == "'script'"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Cache-Control"] == "no-store"


def test_the_page_names_only_files_that_are_there():
    named = re.findall(r'(?:src|href)="([^"#]+)"', TEXTS["/"])
    assert set(named) == {"/page.js", "/page.css", "/icon.svg"}
    for path, text in TEXTS.items():
        for name in re.findall(r'from "\.(/[^"]+)"', text):
            assert name in FILES, f"{path} imports {name}"


def test_nothing_comes_from_elsewhere_and_texts_stay_texts():
    for path, text in TEXTS.items():
        assert not re.search(r"(https?:)?//(?!www\.w3\.org/2000/svg)\w+\.\w+", text), path
    scripts = "".join(text for path, text in TEXTS.items() if path.endswith(".js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                 "new Function", "setTimeout(\"", ".style", "DOMParser"):  # fmt: skip
        assert word not in scripts
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\son\w+=|style=", TEXTS["/"])
