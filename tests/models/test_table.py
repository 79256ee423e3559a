"""The table of all networks: every one is there, counted as it runs, and readable as text, page and data."""

from __future__ import annotations

import html

import pytest
from torch import nn

from course_lib import models
from course_lib.errors import CourseError
from course_lib.models.card import Card, Paper
from course_lib.models.table import HEADINGS

SOME = ("alexnet", "googlenet", "resnet20", "mobilenet_v2")


def test_every_network_has_a_row_in_the_order_of_the_lectures() -> None:
    table = models.table()
    assert tuple(entry.name for entry in table) == models.names()
    assert len(table) == len(models.names())
    assert all(entry.parameters > 0 and entry.multiply_adds > 0 for entry in table)


def test_a_row_has_what_the_network_costs_and_what_its_paper_says() -> None:
    (row,) = models.table("alexnet").rows()
    assert row == {
        "name": "alexnet",
        "year": 2012,
        "image_size": 224,
        "parameters": 60_965_224,
        "multiply_adds": 724_406_816,
        "depth": 8,
        "error": "top-5 18.2 %, ILSVRC-2012 validation, one network (table 2)",
        "paper": "Krizhevsky et al., NeurIPS 2012",
        "citation": "Krizhevsky, Sutskever and Hinton: "
        "ImageNet Classification with Deep Convolutional Neural Networks. NeurIPS 2012.",
        "url": "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    }


def test_auxiliary_heads_are_not_counted() -> None:
    (row,) = models.table("googlenet").rows()
    assert (row["parameters"], row["multiply_adds"]) == (6_998_552, 1_582_671_872)


def test_networks_made_for_cifar_10_are_counted_there() -> None:
    (row,) = models.table("resnet20").rows()
    assert (row["image_size"], row["multiply_adds"]) == (32, 40_551_040)


def test_a_network_is_built_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = models.table("alexnet")

    def build_again(self: Card) -> None:
        raise AssertionError(f"{self.name} was built again")

    monkeypatch.setattr(Card, "image_size", 224, raising=False)
    monkeypatch.setattr(nn.Conv2d, "__init__", build_again)
    assert models.table("alexnet") == first


def test_it_shows_itself_as_text() -> None:
    lines = repr(models.table(*SOME)).splitlines()
    assert lines[0].split("  ")[0] == "network"
    assert len(lines) == 1 + len(SOME)
    column = lines[0].index("parameters") + len("parameters")
    assert [line[:column].split()[-1] for line in lines[1:]] == ["60,965,224", "6,998,552", "269,722", "3,504,872"]
    assert max(map(len, lines)) <= 200


def test_it_shows_itself_as_html_with_links_to_the_papers() -> None:
    page = models.table(*SOME)._repr_html_()
    assert page.count('scope="col"') == len(HEADINGS)
    for entry in models.table(*SOME):
        assert f'<a href="{html.escape(entry.url)}" title="{html.escape(entry.citation)}">' in page
        assert f">{entry.parameters:,}<" in page


def test_an_unknown_network_is_answered_with_the_nearest() -> None:
    with pytest.raises(CourseError, match=r"'resnet51'.*resnet50"):
        models.table("resnet51")


@pytest.mark.parametrize(
    ("authors", "short"),
    [
        ("Krizhevsky", "Krizhevsky, CVPR 2016"),
        ("Zeiler and Fergus", "Zeiler and Fergus, CVPR 2016"),
        ("Lin, Chen and Yan", "Lin et al., CVPR 2016"),
    ],
)
def test_a_paper_is_named_by_its_authors_as_usual(authors: str, short: str) -> None:
    assert Paper(authors, "Title", "CVPR", 2016, "https://example.org").short == short
