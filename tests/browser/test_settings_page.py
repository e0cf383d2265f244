"""The settings as people use them."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_the_storage_is_counted_for_whoever_opens_its_tab(page: Page):
    """By keyboard; the tab stays open when its limit is saved."""
    page.locator("#badge").click()
    tabs = page.locator("#settings-drawer").get_by_role("tab")
    expect(tabs).to_have_text(["Connection", "Spending", "Storage", "API"])
    expect(page.locator("#settings-storage [data-unread]")).to_have_count(1)
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    storage = page.get_by_role("tabpanel", name="Storage")
    expect(storage.locator("dt")).to_contain_text(["Videos", "Posters", "Ledger", "In all"])
    expect(tabs.nth(2)).to_be_focused()
    storage.get_by_label("Warn above").fill("25")
    storage.get_by_role("button", name="Save").click()
    expect(storage).to_contain_text("Warns above 25 GB.")
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")
    storage.get_by_label("Warn above").fill("")
    storage.get_by_role("button", name="Save").click()
    expect(storage).to_contain_text("No warning.")
