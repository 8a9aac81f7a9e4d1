"""No page breaks a rule of WCAG 2.2 AA that axe-core can tell, in both themes, wide and narrow; none sticks out at 320."""

import re
from pathlib import Path

import axe_playwright_python
import pytest
from chromium import WITHIN
from every_page import SIGNED_OUT, filled, pages, settle, signed_in

pytestmark = pytest.mark.browser
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
# Theme, width, and what is looked at: what neither theme nor width changes is looked at once.
VIEWS = (("light", 1280, RULES), ("dark", 1280, CONTRAST), ("dark", 390, RULES), ("light", 390, CONTRAST))
NARROWEST = 320
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Attributes that must be numbers, and are none: in many languages a comma stands where programs want a point.
NO_NUMBERS = """() => [...document.querySelectorAll("progress, meter, input[type=number], svg *")].flatMap(element =>
    ["value", "min", "max", "low", "high", "optimum", "x", "y", "width", "height", "cx", "cy", "r", "x1", "x2", "y1", "y2"]
        .filter(name => element.getAttribute(name) && !/^-?[\\d.]+(%|em|rem|px)?$/.test(element.getAttribute(name)))
        .map(name => `${element.outerHTML.slice(0, 80)} ${name}`))"""
# What is read on the page: texts of three words and more, but for what people, and programs, have written.
SENTENCES = """() => {
    const texts = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim().replace(/\\s+/g, " ");
        if (!parent.closest("bdi, code, pre, script, style, datalist, [lang=en]") && /\\p{L}+ \\p{L}+ \\p{L}+/u.test(text))
            texts.push(text);
    }
    return texts;
}"""
OUR_OWN = re.compile(r"^$")
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")


@pytest.fixture(scope="module")
def platform(tmp_path_factory, sface_dir):
    made = filled(tmp_path_factory.mktemp("filled"))
    yield made
    assert made.platform.interrupt() == 0, "".join(made.platform.lines)


def test_every_page_is_accessible(platform, chromium, subtests):
    context = signed_in(chromium, platform.platform)
    found, faults = pages(platform, context)
    assert not faults, "an address leads nowhere: give filled.fill() a row for it, or every_page.NO_PAGES a reason"
    assert len(found) > 45
    page = with_axe(context)
    for address in found:
        with subtests.test(address):
            assert complaints(page, address) == []
    context.close()


def test_pages_for_who_is_not_signed_in_are_accessible(platform, chromium, subtests):
    context = chromium.new_context(base_url=platform.platform.address)
    page = with_axe(context)
    for address in SIGNED_OUT:
        with subtests.test(address):
            assert complaints(page, address) == []
    context.close()


@pytest.mark.parametrize("language", ["de", "ar"])
def test_every_page_speaks_other_languages(platform, chromium, language, subtests):
    english = signed_in(chromium, platform.platform).new_page()
    context = signed_in(chromium, platform.platform, locale=language, viewport={"width": 390, "height": 844})
    found, _ = pages(platform, context)
    page = context.new_page()
    for address in found:
        if address.startswith(("/admin/", "/api/", "/styleguide")):
            continue
        with subtests.test(address):
            settle(page, address)
            assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == (
                [language, "rtl" if language == "ar" else ""]
            )
            assert page.evaluate(NO_NUMBERS) == []
            settle(english, address)
            same = set(page.evaluate(SENTENCES)) & set(english.evaluate(SENTENCES))
            assert not {words for words in same if not OUR_OWN.search(words)}
            page.set_viewport_size({"width": NARROWEST, "height": 844})
            assert page.evaluate(WITHIN)
    context.close()


def with_axe(context):
    context.add_init_script(path=AXE)
    return context.new_page()


def complaints(page, address: str) -> list[str]:
    """What is wrong with a page: rule, theme, width and the elements."""
    found = []
    page.set_viewport_size({"width": VIEWS[0][1], "height": 900})
    settle(page, address)
    for theme, width, rules in VIEWS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(DRAWN)
        result = page.evaluate(
            "options => axe.run(document, options)", {"runOnly": rules, "resultTypes": ["violations"]}
        )
        for one in result["violations"]:
            nodes = [f"{node['target']} {node['html'][:200]} {node['failureSummary'][:300]}" for node in one["nodes"]]
            found.append(f"{one['id']} ({theme}, {width}): " + " | ".join(nodes[:4]))
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    if not address.startswith(("/admin/", "/api/")) and not page.evaluate(WITHIN):
        found.append(f"sticks out at {NARROWEST}")
    return found
