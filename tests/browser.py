"""Debian's Chromium over the console's pages: what people do there, and whether all of them can."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

LIMIT_MS = 60_000
SERIOUS = {"serious", "critical"}
# Enough for pages of few colours, and a third of the size.
COLOURS = 128
BELOW = 24
DESKTOP: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}

expect.set_options(timeout=LIMIT_MS)


@contextmanager
def browser_page(base_url: str) -> Iterator[Page]:
    """A page in a browser without a profile; its own errors fail the test."""
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: bash scripts/test_setup.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            # A container has no user namespaces for the sandbox, and the pages are our own.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(base_url=base_url, viewport=DESKTOP)
        page.set_default_timeout(LIMIT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda said: errors.append(said.text) if "Content Security" in said.text else None,
        )
        yield page
        browser.close()
        assert errors == []


def faults(page: Page) -> list[str]:
    """What axe finds that keeps people from using the page."""
    return [
        f"{page.url}: {found['id']}: {node['target']}: {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


class Album:
    """Screenshots: all in `directory`, and those that the docs show also where SCREENSHOTS says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)

    def keep(self, page: Page, name: str) -> None:
        """The whole page as it is now."""
        page.screenshot(path=self.directory / f"{name}.png", full_page=True)

    def show(self, page: Page, name: str) -> None:
        """What somebody sees of it without scrolling, for the docs; no empty rest below."""
        path = self.directory / f"{name}.png"
        end = page.evaluate("document.getElementById('live').getBoundingClientRect().bottom")
        size = page.viewport_size or DESKTOP
        height = min(end + BELOW, size["height"])
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": size["width"], "height": height})
        if target := os.environ.get("SCREENSHOTS"):
            Path(target).mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.convert("RGB").quantize(COLOURS).save(Path(target) / path.name, optimize=True)
