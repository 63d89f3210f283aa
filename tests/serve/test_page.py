"""The page, clicked through in a headless browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Live

browser = pytest.importorskip("browser", reason="the package websocket-client drives the browser")
pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    opened = browser.Browser(tmp_path_factory.mktemp("browser"))
    opened.look(width=1200, height=900)
    yield opened
    said = opened.said
    opened.close()
    assert said == [], "the browser's console is silent: no error, nothing that the policy of contents forbids"


def go(page: browser.Browser, live: Live, name: str, ready: str) -> None:
    page.open("about:blank")
    page.open(f"{live.base}/?model={name}")
    page.wait(f"document.title.startsWith('{name}') && document.querySelector({ready!r})")


def test_a_table_is_answered_while_it_is_filled_in(page: browser.Browser, every: Live) -> None:
    go(page, every, "flat", ".ladder")
    low = page.run("document.querySelector('.said .value').textContent")
    page.type("input[type=number]", "8.5")
    page.wait(
        f"document.querySelector('.said .value').textContent !== {low!r} || document.querySelector('.share').textContent"
    )
    page.type("input[type=number]", "99")
    page.wait("document.querySelector('.hint .out')?.textContent.includes('outside')")


def test_examples_targets_and_intervals(page: browser.Browser, every: Live) -> None:
    go(page, every, "table", ".fields")
    assert page.run("document.querySelectorAll('.field').length") == 8
    page.click(".examples button")
    page.wait("document.querySelectorAll('.said').length === 3 && document.querySelector('.axis .dot')")
    assert page.run("document.querySelector('.truth b').textContent")
    assert page.run("document.querySelector('.chips input:checked') !== null") is True


def test_a_picture_is_drawn_and_an_example_chosen(page: browser.Browser, every: Live) -> None:
    go(page, every, "pictures", "canvas")
    page.draw("canvas", [(-0.5, -0.5), (-0.4, 0.0), (-0.5, 0.5)])
    page.wait("document.querySelector('.ladder')")
    page.click(".examples button")
    page.wait("document.querySelector('.truth b')?.textContent.match(/left|right/)")


def test_a_conversation(page: browser.Browser, every: Live) -> None:
    go(page, every, "chat", ".talk textarea")
    page.type(".talk textarea", "say 3")
    page.press("Enter")
    page.wait("document.querySelector('.turn.assistant')?.textContent.length > 0")
    assert page.run("document.querySelector('.turn.user').textContent") == "say 3"


def test_a_text_is_gone_on_with(page: browser.Browser, every: Live) -> None:
    go(page, every, "poems", "form textarea")
    page.type("form textarea", "the moon")
    page.click("form .main")
    page.wait("document.querySelector('.page-text span')?.textContent.length > 0")


def test_chinese_dark_and_narrow(page: browser.Browser, every: Live) -> None:
    page.look(width=390, height=800, dark=True)
    go(page, every, "table", ".fields")
    page.click("#language")
    page.wait("document.documentElement.lang === 'zh' && document.querySelector('.answer h2').textContent === '答案'")
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is wider than the window"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 21, 24)"
    page.click("#theme")
    page.wait("getComputedStyle(document.body).backgroundColor === 'rgb(253, 253, 252)'")
    page.run("localStorage.clear()")
    page.look(width=1200, height=900)


def test_the_api_is_documented(page: browser.Browser, every: Live) -> None:
    page.open(f"{every.base}/docs")
    page.wait("document.querySelectorAll('.ways section').length > 10")
    assert "training saw" in page.run("document.querySelector('.ways').textContent")


def test_a_key_is_asked_for(page: browser.Browser, serve: object, tmp_path: Path) -> None:
    from netwright.serve.keys import made

    key = made(tmp_path / "keys.txt", "ann")
    live = serve("flat", key_file=str(tmp_path / "keys.txt"))  # type: ignore[operator]
    page.open(f"{live.base}/")
    page.wait("document.querySelector('#key').open")
    page.type("#key_value", key)
    page.click("#key .main")
    page.wait("document.querySelector('.ladder')")
    page.said[:] = [text for text in page.said if "401" not in text]
