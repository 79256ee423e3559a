"""The table of the five data sets: every number has a source in the table, and no text can break the page."""

import re
from html.parser import HTMLParser

import pytest

from course_lib.data import facts, imagenet, open_images, places365, yfcc100m


@pytest.mark.parametrize("one", facts.TABLE.facts, ids=lambda one: one.name)
def test_every_number_is_cited(one: facts.Facts) -> None:
    for name, title in facts.ROWS:
        text = getattr(one, name)
        for clause in text.split(";"):
            bare = re.sub(r"\[\d+\]", "", clause)
            if re.search(r"\d", bare.replace("Places2", "").replace("CC BY 4.0", "").replace("CC BY 2.0", "")):
                assert re.search(r"\[\d+\]", clause), f"{one.name}, {title}: no source for {clause!r}"


@pytest.mark.parametrize("one", facts.TABLE.facts, ids=lambda one: one.name)
def test_every_source_is_used_and_every_mark_has_a_source(one: facts.Facts) -> None:
    used = {int(number) for name, _ in facts.ROWS for number in re.findall(r"\[(\d+)\]", getattr(one, name))}
    assert used == set(range(1, len(one.sources) + 1))


def test_each_loader_offers_the_facts_of_its_data_set() -> None:
    assert facts.TABLE.facts == (facts.CIFAR10, imagenet.FACTS, yfcc100m.FACTS, open_images.FACTS, places365.FACTS)


def test_the_table_links_each_mark_to_its_own_source_under_one_numbering() -> None:
    page = facts.TABLE._repr_html_()
    sources = [source for one in facts.TABLE.facts for source in one.sources]
    for url, number in re.findall(r"<a href='([^']+)'>\[(\d+)\]</a>", page):
        assert sources[int(number) - 1].url == url
    assert page.count("<li>") == len(sources)
    assert page.count("<th scope='col'") == 5


def test_text_is_escaped_and_tags_are_balanced() -> None:
    odd = facts.Facts("<b>", *["a < b & c [1]"] * 8, sources=(facts.Source("<i>", "https://example.org"),))
    page = odd._repr_html_()
    assert "a &lt; b &amp; c" in page
    assert "<b>" not in page
    assert "<i>" not in page

    class Balance(HTMLParser):
        open: list[str] = []  # noqa: RUF012 - one parser only

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(facts.TABLE._repr_html_())
    assert parser.open == []


def test_plain_text_lists_the_sources() -> None:
    text = repr(facts.CIFAR10)
    assert "50,000 train + 10,000 test" in text
    assert "[3] Barz & Denzler" in text
