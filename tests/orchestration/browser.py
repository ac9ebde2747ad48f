"""A headless browser that looks at the UI and keeps what it saw."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 90


@contextmanager
def browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """Open Debian's chromium with a profile of its own."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"),
        *("--disable-gpu", "--window-size=1600,1000", "--hide-scrollbars"),
        f"--user-data-dir={profile}",
        # whatever the page would fetch from elsewhere must not be needed
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def look(driver: webdriver.Chrome, url: str, *texts: str, settle: float = 3) -> str:
    """Open a page and wait until it shows all texts; return what it shows.

    Raises
    ------
    AssertionError
        If a text did not appear.
    """
    driver.get(url)
    deadline = time.monotonic() + SECONDS
    shown = ""
    while time.monotonic() < deadline:
        try:
            shown = driver.find_element(By.TAG_NAME, "body").text
        except WebDriverException:
            shown = ""
        if all(text in shown for text in texts):
            time.sleep(settle)  # the graph is laid out and zoomed after it is filled
            return driver.find_element(By.TAG_NAME, "body").text
        time.sleep(0.5)
    missing = [text for text in texts if text not in shown]
    raise AssertionError(f"{url} does not show {missing}; it shows:\n{shown}")
