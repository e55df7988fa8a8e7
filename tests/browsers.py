"""Headless Chromium, for the tests of pages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip

#: Every text that can be seen, with the contrast of its colour to what is painted behind it; of what a
#: selector finds, where one is given.
CONTRASTS = """
const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
const rgba = (color) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data]; };
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const behind = (node) => { for (; node; node = node.parentElement) { const color = rgba(getComputedStyle(node).backgroundColor); if (color[3] === 255) return color; } return [255, 255, 255]; };
const texts = [...document.querySelectorAll(arguments[0] ?? "body *")].filter((node) => node.checkVisibility() && !node.closest(".sr, .skip, option, script")
  && [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
return texts.map((node) => {
  const style = getComputedStyle(node);
  const [a, b] = [light(rgba(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))];
  return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), node.textContent.slice(0, 60)];
});
"""


def open_browser(profile: Path, *flags: str, **logged: str) -> Any:
    """Chromium with a profile of its own, to be quit by whoever opens it; skips the test where there is none.

    ``logged`` are kinds of log, besides the browser's own, and their levels.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", **logged})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def sized(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
