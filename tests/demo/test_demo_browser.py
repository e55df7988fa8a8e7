"""The page as a person uses it, in headless Chromium: a picture, a camera, models, what is no picture; and alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_models import weights, write_onnx
from test_demo_figures import figures

import fer_bench
from fer_bench.inference.face import Row

for needed in ("gradio", "selenium", "skimage"):
    pytest.importorskip(needed, reason="needs '.[test]'")
from browsers import CONTRASTS, open_browser, sized  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402
from skimage import data  # noqa: E402

#: What the server's process asks the system's network for, line by line: an audit hook hears of all of it.
SERVER = """
import os, sys
heard = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hear(event, told):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(heard, f"{event} {told[-1] if event == 'socket.connect' else told[0]}\\n".encode())
sys.addaudithook(hear)
from fer_bench.cli import main
main(prog_name="fer-bench")
"""
#: A name that would be markup, or one of gradio's templates, if anything took it for that.
HOSTILE = "<img src=x onerror='window.hacked=1'> {{value}} ${window.hacked=1}"


@dataclass
class Server:
    process: subprocess.Popen[str]
    address: str
    heard: Path
    said: Path
    models: dict[str, Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures: of one face, two, and none; and what is no picture."""
    folder = tmp_path_factory.mktemp("demo")
    one = data.astronaut()[..., ::-1]
    cv2.imwrite(str(folder / "astronaut.png"), one)
    cv2.imwrite(str(folder / "two.png"), np.concatenate([one, one[:, ::-1]], axis=1))
    cv2.imwrite(str(folder / "plain.png"), np.full((300, 400, 3), 120, np.uint8))
    (folder / "text.png").write_text("no picture at all")
    (folder / "notes.txt").write_text("no picture at all")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    models = {
        "linear": write_onnx(
            folder / "a.onnx", weights(seed=3), about={"figures": figures(), "data": "fer2013", "split": "official"}
        ),
        HOSTILE: write_onnx(folder / "b.onnx", weights(seed=4), about={"name": HOSTILE}),
    }
    heard, said = folder / "heard.txt", folder / "stderr.txt"
    given = [word for path in models.values() for word in ("--model", str(path))]
    command = [sys.executable, "-c", SERVER, str(heard), "demo", *given, "--port", "0", "--no-browser", "--json"]
    settings = {
        **os.environ,
        "HTTP_PROXY": "http://192.0.2.1:9",
        "http_proxy": "http://192.0.2.1:9",
        "TMPDIR": str(folder),
    }
    with (
        said.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=settings) as process,
    ):
        assert process.stdout
        line = process.stdout.readline()
        assert line, said.read_text()
        yield Server(process, json.loads(line)["address"], heard, said, models)
        process.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Any]:
    """Chromium with a camera that looks at the astronaut."""
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 80:560] = cv2.resize(data.astronaut(), (480, 480), interpolation=cv2.INTER_AREA)
    video = folder / "camera.y4m"
    pixels = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes()
    video.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + 2 * (b"FRAME\n" + pixels))
    camera = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    )
    chromium = open_browser(tmp_path_factory.mktemp("profile"), *camera, performance="ALL")
    yield chromium
    chromium.quit()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The page as opened anew; no test may leave an error on its console, or have asked anybody else for anything."""
    browser.get("about:blank")
    for log in ("browser", "performance"):  # what the last page was at is given up
        browser.get_log(log)
    sized(browser, 1280)
    browser.get(server.address)
    eventually(browser, lambda: find(browser, "#about h2").is_displayed())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return window.hacked") is None
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"}
    assert [url for url in urls if not url.startswith((server.address, "data:", "blob:", "chrome:"))] == []
    assert any(url.startswith(server.address) for url in urls)


def find(page: Any, selector: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, selector)


def eventually(page: Any, holds: Callable[[], Any]) -> None:
    WebDriverWait(page, 60, poll_frequency=0.05, ignored_exceptions=(WebDriverException,)).until(lambda _: holds())


def press(page: Any, within: str, word: str) -> None:
    """A button with that word on it, once it is there."""
    there = f"//{within}//button[contains(., '{word}')]"
    eventually(page, lambda: page.find_element(By.XPATH, there).click() or True)


def give(page: Any, path: Path) -> None:
    eventually(page, lambda: find(page, "#picture input[type=file]").send_keys(str(path)) or True)


def choose(page: Any, label: str, option: str) -> None:
    find(page, f"input[aria-label='{label}']").click()
    eventually(page, lambda: page.find_elements(By.CSS_SELECTOR, "[role=option]"))
    (one,) = (found for found in page.find_elements(By.CSS_SELECTOR, "[role=option]") if option in found.text)
    one.click()


def bars(page: Any, within: str) -> dict[str, str]:
    """The names and numbers of a face's bars."""
    rows = page.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' tr')].map((row) => [row.cells[0], row.cells[2]].map((c) => c.textContent))",
        within,
    )
    return dict(rows)


def predicted(server: Server, model: str, path: Path, faces: str = "auto") -> tuple[Row, dict[str, str]]:
    """What the library says of a picture with one face, and how the page writes it."""
    (row,) = fer_bench.predict(path, str(server.models[model]), faces)
    return row, {name: f"{100 * value:.1f} %" for name, value in row.probabilities.items()}


def test_a_picture_gets_a_box_and_the_numbers_that_predict_gives(page: Any, server: Server, folder: Path):
    path = folder / "astronaut.png"
    give(page, path)
    row, said = predicted(server, "linear", path)
    eventually(page, lambda: bars(page, "#result .face") == said)
    assert len(said) == 7
    assert find(page, "#result h3").text == f"{row.emotion}, {said[row.emotion]}"
    assert row.box
    (box,) = page.find_elements(By.CSS_SELECTOR, "#result rect.box")
    assert [int(box.get_attribute(name)) for name in ("x", "y", "width", "height")] == [
        row.box.left, row.box.top, row.box.width, row.box.height,
    ]  # fmt: skip
    assert find(page, "#result svg").get_dom_attribute("viewBox") == "0 0 512 512"
    widths = page.execute_script(
        "return [...document.querySelectorAll('#result .bar span')].map((bar) => bar.style.width)"
    )
    assert [f"{float(width.rstrip('%')):.1f} %" for width in widths] == list(said.values())

    choose(page, "Model", HOSTILE)
    _, other = predicted(server, HOSTILE, path)
    assert other != said
    eventually(page, lambda: bars(page, "#result .face") == other)
    eventually(page, lambda: "brings no figures" in find(page, "#about").text)
    assert find(page, "#about h2").text == f"How good is {HOSTILE}?"
    assert HOSTILE in find(page, "#result caption").text

    choose(page, "What counts as a face", "The whole picture")
    _, whole = predicted(server, HOSTILE, path, "none")
    eventually(page, lambda: bars(page, "#result .face") == whole)
    assert page.find_elements(By.CSS_SELECTOR, "#result rect.box") == []


def test_each_face_has_its_bars_and_the_explanation_comes_on_the_button(page: Any, server: Server, folder: Path):
    assert not find(page, "#why").is_enabled()
    path = folder / "two.png"
    give(page, path)
    rows = fer_bench.predict(path, str(server.models["linear"]))
    assert len(rows) == 2
    eventually(page, lambda: find(page, "#why").is_enabled())
    shown = [heading.text for heading in page.find_elements(By.CSS_SELECTOR, "#result h3")]
    assert shown == [
        f"Face {at}: {row.emotion}, {100 * row.probabilities[row.emotion]:.1f} %" for at, row in enumerate(rows, 1)
    ]
    announced = find(page, "#result [role=alert]").get_property("textContent")
    assert announced.split(". ")[1].startswith(f"Face 2 of 2: {rows[1].emotion}, ")
    assert [tag.text for tag in page.find_elements(By.CSS_SELECTOR, "#result svg text")] == ["1", "2"]
    assert len(page.find_elements(By.CSS_SELECTOR, "#result .looks img")) == 2
    find(page, "#why").click()
    eventually(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#result .looks img")) == 4)
    assert "occlusion" in find(page, "#result .looks").text
    loaded = "return [...document.querySelectorAll('#result img')].every((img) => img.complete && img.naturalWidth && img.alt)"
    eventually(page, lambda: page.execute_script(loaded))


def test_the_figures_stand_beside_it(page: Any):
    text = find(page, "#about").text
    assert "71.6 % right on 510 test images of fer2013, split official (95 % interval: 67.8 to 75.2 %)" in text
    assert "disgust is taken for anger in 50.0 % of its images (5 of 10)" in text
    assert "What it must not be used for" in text
    assert bars(page, "#about") == {
        "anger": "60.0 %", "disgust": "50.0 %", "fear": "50.0 %", "happiness": "90.0 %", "sadness": "70.0 %", "surprise": "90.0 %", "neutral": "0.0 %",
    }  # fmt: skip
    assert "linear (71.6 % right)" in find(page, "input[aria-label='Model']").get_attribute("value")
    assert re.search("nothing is kept.*deleted", find(page, "header.fer").text, re.DOTALL)


def test_what_is_no_picture_and_what_has_no_face_is_said_on_the_page(page: Any, server: Server, folder: Path):
    give(page, folder / "text.png")
    eventually(page, lambda: "text.png: not an image" in find(page, "#result [role=alert]").text)
    find(
        page,
        "#picture button[aria-label='Clear'], #picture button[title='Clear'], #picture button[aria-label='Remove Image']",
    ).click()
    eventually(page, lambda: "The answer will stand here" in find(page, "#result").text)
    give(page, folder / "notes.txt")
    eventually(page, lambda: "image/*" in find(page, ".toast-wrap").text)
    give(page, folder / "plain.png")
    eventually(page, lambda: "No face was found" in find(page, "#result .note").text)


def test_a_camera_is_watched_live(page: Any):
    press(page, "*[@role='tablist']", "Webcam")
    press(page, "*[@id='camera']", "Access")
    press(page, "*[@id='camera']", "Record")
    eventually(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#live rect.box")) == 1)
    assert page.find_elements(By.CSS_SELECTOR, "#live [role=alert]") == []  # four times a second
    box = find(page, "#live rect.box")
    assert 200 < float(box.get_attribute("x")) < 320  # where the face is, and not where it is in a mirror
    numbers = [float(text.split()[0]) for text in bars(page, "#live .face").values()]
    assert len(numbers) == 7
    assert sum(numbers) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_all_our_text_can_be_read(page: Any, folder: Path, scheme: str):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.refresh()
    page.get_log("browser")  # what the page was at is given up
    sized(page, 390)
    eventually(page, lambda: find(page, "#about h2").is_displayed())
    give(page, folder / "astronaut.png")
    eventually(page, lambda: bars(page, "#result .face"))
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    found = page.execute_script(CONTRASTS, ".fer *")
    assert len(found) > 50
    assert [line for line in found if line[0] < 4.5] == []


def test_ctrl_c_ends_it_and_nothing_is_left(page: Any, server: Server, folder: Path):
    """With a page open, whose picture is still there. The last test: the server is gone after it."""
    give(page, folder / "astronaut.png")
    eventually(page, lambda: bars(page, "#result .face"))
    assert [path.name for path in folder.rglob("astronaut.png")].count("astronaut.png") == 2
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 130
    said = [line for line in server.said.read_text().splitlines() if line and "comes without a model" not in line]
    assert said == ["fer-bench: Ctrl-C ends it", "fer-bench: interrupted"]
    assert list(folder.rglob("astronaut.png")) == [folder / "astronaut.png"]
    assert list(folder.glob("fer-bench-demo-*")) == []
    heard = server.heard.read_text().splitlines()
    assert heard  # gradio asks its own server whether it is there
    assert [line for line in heard if "127.0.0.1" not in line and "localhost" not in line] == []
    page.get("about:blank")
    page.get_log("browser")  # that its server is gone
