"""index.html as a person uses it, in headless Chromium: sorting, filters, records, hostile texts, a phone, both
themes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from made_records import record
from test_html import HOSTILE, costing, ranked, write

from fer_bench.records.run_files import RunFiles
from fer_bench.report import html

pytest.importorskip("selenium", reason="needs selenium: pip install '.[test]'")
from browsers import CONTRASTS, open_browser, sized
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

NAME = 'x<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = open_browser(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    stored = write(folder, [
        costing(record("svm", 0.5), fit_seconds=5, latency_p50_ms=20),
        costing(record("net", 0.7, family="deep", recipe="tuned"), fit_seconds=90, latency_p50_ms=3),
        costing(record(NAME, 0.6, family="deep", recipe="tuned").model_copy(update={"command": f"run {HOSTILE}"}), fit_seconds=9),
        costing(record("an-uncommonly-long-name-of-a-runner[filters=64,n=3]", 0.3, family="deep"), "gpu", fit_seconds=1),
        record("broken", status="oom", message=NAME, family="deep"),
        record("svm", 0.3, split="notebook", split_digest="s2"),
    ], epochs=5)  # fmt: skip
    line = dict.fromkeys(
        ("runner", "published", "split", "protocol", "trap", "same_protocol", "official", "explanation"), NAME
    )
    page = html.page(ranked(stored, together=2), RunFiles(stored), folder, [line])
    (folder / "index.html").write_text(page, encoding="utf-8")
    return (folder / "index.html").as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page as opened anew, at the width of a desk; no test may leave an error on its console."""
    browser.get("about:blank")
    sized(browser, 1280)
    browser.get(address)
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return window.hacked") is None


def find(page: Any, selector: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, selector)


def eventually(page: Any, holds: Callable[[], bool]) -> None:
    """A change of the address, and what follows from it, comes a moment after the key or the click."""
    WebDriverWait(page, 10, poll_frequency=0.05, ignored_exceptions=(WebDriverException,)).until(lambda _: holds())


def opened(page: Any, title: str) -> None:
    """The record of that name is open."""
    eventually(page, lambda: find(page, "#record-title").text == title)


def runners(page: Any) -> list[str]:
    cells = page.find_elements(By.CSS_SELECTOR, "#leaderboard tbody th")
    return [cell.text.splitlines()[0] for cell in cells]


def header(page: Any, name: str) -> Any:
    return find(page, f"#leaderboard thead th[data-name={name}]")


LONG = "an-uncommonly-long-name-of-a-runner[filters=64,n=3]"


def test_headers_sort_by_click_and_by_keyboard(page: Any):
    ranked = ["net", NAME, "svm", LONG, "broken"]
    assert runners(page) == ranked
    assert header(page, "rank").get_attribute("aria-sort") == "ascending"
    button = header(page, "accuracy").find_element(By.TAG_NAME, "button")
    button.click()
    assert runners(page) == ranked
    assert header(page, "accuracy").get_attribute("aria-sort") == "descending"
    button.send_keys(Keys.ENTER)
    assert runners(page) == [LONG, "svm", NAME, "net", "broken"]  # what failed stays last
    assert header(page, "accuracy").get_attribute("aria-sort") == "ascending"
    assert header(page, "rank").get_attribute("aria-sort") is None
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert runners(page) == ranked
    header(page, "runner").find_element(By.TAG_NAME, "button").click()
    assert [name for name in runners(page) if name != NAME] == [LONG, "broken", "net", "svm"]


def test_systems_that_share_a_rank_are_joined(page: Any):
    ranks = [cell.get_property("textContent") for cell in page.find_elements(By.CSS_SELECTOR, "#leaderboard td .rank")]
    assert ranks == ["1, shared by 2", "1, shared by 2", "3, shared by 2", "3, shared by 2"]
    joined = "#leaderboard tr.joined"
    assert len(page.find_elements(By.CSS_SELECTOR, joined)) == 4
    assert len(page.find_elements(By.CSS_SELECTOR, f"{joined}.first + {joined.split()[1]}.last")) == 2
    header(page, "recipe").find_element(By.TAG_NAME, "button").click()
    assert page.find_elements(By.CSS_SELECTOR, joined) == []  # they no longer stand together


def test_filters_leave_what_fits_and_say_when_nothing_does(page: Any):
    page.find_element(By.XPATH, "//label[contains(., 'Show 1 not run')]/input").click()
    assert "vgg" in runners(page)
    page.find_element(By.XPATH, "//label[span='Recipe']/select/option[.='tuned']").click()
    assert runners(page) == ["net", NAME]
    assert find(page, "#count").text == "2 of 6 systems"
    find(page, "#search").send_keys("nothing like it")
    assert runners(page) == []
    page.find_element(By.XPATH, "//button[.='Clear the filters']").click()
    assert len(runners(page)) == 6
    assert page.switch_to.active_element.get_attribute("id") == "search"
    page.find_element(By.XPATH, "//label[span='Device']/select/option[.='gpu']").click()
    assert runners(page) == [LONG]


def test_a_row_opens_its_record_and_escape_closes_it(page: Any, address: str):
    page.find_element(By.LINK_TEXT, "net").send_keys(Keys.ENTER)
    opened(page, "net (tuned)")
    record_text = find(page, "#record").text
    assert all(word in record_text for word in ("fer-bench run", "Environment", "Job key", "learning curves"))
    assert len(page.find_elements(By.CSS_SELECTOR, "#record .curves svg[role=img][aria-label]")) == 2
    deep = page.current_url
    find(page, "#record").send_keys(Keys.ESCAPE)
    assert not find(page, "#record").is_displayed()
    eventually(page, lambda: page.current_url.endswith("#fer2013-official"))
    assert page.switch_to.active_element.text == "net"  # back where one was
    page.get("about:blank")
    page.get(deep)
    opened(page, "net (tuned)")
    page.get("about:blank")
    page.get(f"{address}#%E0%A4%A/nowhere")  # an address that means nothing shows the first board
    assert runners(page)


def test_names_from_outside_stay_text(page: Any):
    page.find_element(By.LINK_TEXT, NAME).click()
    opened(page, f"{NAME} (tuned)")
    assert "</script><img" in find(page, "#record pre").text
    assert page.find_elements(By.TAG_NAME, "img") == []
    assert NAME in find(page, "#published").get_property("textContent")


def test_boards_are_chosen_by_links(page: Any):
    page.find_element(By.LINK_TEXT, "notebook").click()
    eventually(page, lambda: runners(page) == ["svm"])
    assert find(page, "#title").text.startswith("fer2013, split notebook")
    assert find(page, "#boards a[aria-current]").text == "notebook"
    page.back()
    eventually(page, lambda: "net" in runners(page))


def test_cost_is_drawn_for_one_hardware_at_a_time(page: Any):
    names = [link.get_attribute("aria-label") for link in page.find_elements(By.CSS_SELECTOR, "#cost a.point")]
    assert len(names) == 2  # on the CPU, with a latency
    assert names[0].startswith("net (tuned), accuracy 70.0 [")
    page.find_element(By.XPATH, "//label[span='Cost']/select/option[contains(., 'fit')]").click()
    assert len(page.find_elements(By.CSS_SELECTOR, "#cost a.point")) == 3
    page.find_element(By.XPATH, "//label[span='On']/select/option[.='gpu']").click()
    assert len(page.find_elements(By.CSS_SELECTOR, "#cost a.point")) == 1


@pytest.mark.parametrize("row", ["", "net"])
def test_a_phone_scrolls_down_only(page: Any, row: str):
    sized(page, 360)
    if row:
        page.find_element(By.LINK_TEXT, row).click()
    page.find_element(By.XPATH, "//label[contains(., 'All columns')]/input") if row else find(
        page, ".tick:last-child input"
    ).click()
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    assert page.execute_script(
        "const d = document.querySelector('dialog[open]'); return !d || d.scrollWidth <= d.clientWidth"
    )
    box = "const b = document.querySelector('#leaderboard .scroll');"
    assert page.execute_script(f"{box} return b.scrollWidth > b.clientWidth")
    shift = (
        f"{box} const c = b.querySelector('tbody th'); const x = c.getBoundingClientRect().left; b.scrollLeft = 200;"
    )
    assert page.execute_script(f"{shift} return b.scrollLeft > 100 && c.getBoundingClientRect().left <= x")
    assert (
        page.execute_script("return document.querySelector('#leaderboard tbody th').getBoundingClientRect().left") >= 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("inside", [False, True])
def test_all_text_can_be_read_in_both_themes(page: Any, scheme: str, inside: bool):
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if inside:
        page.find_element(By.LINK_TEXT, "net").click()
        opened(page, "net (tuned)")
    else:
        page.find_element(By.XPATH, "//label[contains(., 'Show 1 not run')]/input").click()
    found = page.execute_script(CONTRASTS)
    assert len(found) > 150
    assert [line for line in found if line[0] < 4.5 or "[object" in line[1]] == []
    dark = page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(14, 18, 24)"
    assert dark == (scheme == "dark")


def test_the_chosen_theme_is_remembered(page: Any):
    features = [{"name": "prefers-color-scheme", "value": "light"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert find(page, "#theme").text == "Dark theme"
    find(page, "#theme").click()
    assert find(page, "#theme").text == "Light theme"
    page.refresh()
    assert page.execute_script("return document.documentElement.dataset.theme") == "dark"
    find(page, "#theme").click()
    page.execute_script("localStorage.clear()")


def test_without_scripts_the_ranking_is_there(browser: Any, address: str):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert "70.0 [" in find(browser, "noscript table").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
