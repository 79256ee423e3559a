"""What is known about the five data sets of lesson 1, with the source of every number, and the table of all five.

A number in brackets, [2], names the source it was taken from. "not stated" means that the sources do not say.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A paper or an official page."""

    citation: str
    url: str


@dataclass(frozen=True)
class Facts:
    """One data set. Texts may refer to `sources` by number, "[1]" being the first."""

    name: str
    year: str
    images: str
    classes: str
    labels_per_image: str
    how_labelled: str
    licence: str
    size_on_disk: str
    known_faults: str
    sources: tuple[Source, ...]

    def __repr__(self) -> str:
        rows = [f"{title}: {getattr(self, name)}" for name, title in ROWS]
        cited = [f"[{number}] {source.citation} {source.url}" for number, source in enumerate(self.sources, 1)]
        return "\n".join([self.name, *rows, *cited])

    def _repr_html_(self) -> str:
        return Table((self,))._repr_html_()


ROWS = (
    ("images", "images"),
    ("classes", "classes"),
    ("labels_per_image", "labels a picture"),
    ("how_labelled", "how it was labelled"),
    ("known_faults", "known faults"),
    ("licence", "licence"),
    ("size_on_disk", "size on disk"),
    ("year", "year"),
)


@dataclass(frozen=True)
class Table:
    """Data sets side by side: a column each, and the sources below, numbered through."""

    facts: tuple[Facts, ...]

    def __repr__(self) -> str:
        return "\n\n".join(repr(facts) for facts in self.facts)

    def _repr_html_(self) -> str:
        left = "style='text-align:left;vertical-align:top;white-space:normal'"
        offsets = [sum(len(facts.sources) for facts in self.facts[:index]) for index in range(len(self.facts))]
        head = "".join(f"<th scope='col' {left}>{html.escape(facts.name)}</th>" for facts in self.facts)
        body = "".join(
            f"<tr><th scope='row' {left}>{title}</th>"
            + "".join(
                f"<td {left}>{_linked(getattr(facts, name), facts, offset)}</td>"
                for facts, offset in zip(self.facts, offsets, strict=True)
            )
            + "</tr>"
            for name, title in ROWS
        )
        cited = "".join(
            f"<li>{html.escape(source.citation)} <a href='{source.url}'>{html.escape(source.url)}</a></li>"
            for facts in self.facts
            for source in facts.sources
        )
        return (
            f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<details><summary>Sources</summary><ol>{cited}</ol></details>"
        )


def _linked(text: str, facts: Facts, offset: int) -> str:
    """Turn "[2]", the second source of this data set, into a link under its number in the whole table."""

    def link(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"<a href='{facts.sources[number - 1].url}'>[{offset + number}]</a>"

    return re.sub(r"\[(\d+)\]", link, html.escape(text))


CIFAR10 = Facts(
    name="CIFAR-10",
    year="2009 [1]",
    images="50,000 train + 10,000 test, 32 × 32 pixels [2]",
    classes="10, with 5,000 train and 1,000 test images each [2]",
    labels_per_image="one; the classes exclude each other [2]",
    how_labelled="found on the web by searching for the class's name (80 Million Tiny Images), then sorted by hand [1]",
    licence="not stated [2]",
    size_on_disk="163 MB, the archive for Python [2]",
    known_faults="3.3 % of the test images have near-duplicates among the training images [3]",
    sources=(
        Source(
            "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.",
            "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
        ),
        Source("The CIFAR-10 dataset, official page.", "https://www.cs.toronto.edu/~kriz/cifar.html"),
        Source(
            "Barz & Denzler, Do We Train on Test Data? Purging CIFAR of Near-Duplicates, J. Imaging 2020.",
            "https://arxiv.org/abs/1902.00423",
        ),
    ),
)

IMAGENET = Facts(
    name="ImageNet (ILSVRC 2012)",
    year="2012 (ImageNet itself: 2009) [1]",
    images="1,281,167 train + 50,000 validation + 100,000 test [1]",
    classes="1,000 nouns of WordNet, with 732 to 1,300 training images each [1]",
    labels_per_image="one [1]",
    how_labelled="image searches for every noun, then a vote of several people on Mechanical Turk for each picture [1]",
    licence="non-commercial research and education only; the pictures belong to their photographers [2]",
    size_on_disk="138 GB train + 6.3 GB validation, as archives [2]",
    known_faults="at least 6 % of the validation labels are wrong [3]; one label, though many pictures show several "
    "classes [4]",
    sources=(
        Source(
            "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015.",
            "https://arxiv.org/abs/1409.0575",
        ),
        Source("ImageNet, download page and terms of access.", "https://image-net.org/download.php"),
        Source(
            "Northcutt, Athalye & Mueller, Pervasive Label Errors in Test Sets, NeurIPS Datasets 2021.",
            "https://arxiv.org/abs/2103.14749",
        ),
        Source("Beyer et al., Are we done with ImageNet?, 2020.", "https://arxiv.org/abs/2006.07159"),
    ),
)

PLACES365 = Facts(
    name="Places365-Standard",
    year="2016 (paper 2018) [1]",
    images="1,803,460 train + 36,500 validation + 328,500 test [2]; it is a part of Places2: 10,624,928 [1]",
    classes="365 scenes, with 3,068 to 5,000 training images each [2]; Places2 has 434 [1]",
    labels_per_image="one [2]",
    how_labelled="image searches for scene name and adjective, then yes-or-no questions on Mechanical Turk, then a "
    "classifier to find more [1]",
    licence="not stated [2]",
    size_on_disk="about 30 GB at 256 × 256 pixels, about 160 GB at full size [3]",
    known_faults="neighbouring scenes shade into each other, so one label is often too few [1]",
    sources=(
        Source(
            "Zhou, Lapedriza, Khosla, Oliva & Torralba, Places: A 10 Million Image Database for Scene Recognition, "
            "TPAMI 2018.",
            "https://doi.org/10.1109/TPAMI.2017.2723009",
        ),
        Source("Places365 development kit, official repository.", "https://github.com/zhoubolei/places_devkit"),
        Source(
            "torchvision for R, reference of places365_dataset.",
            "https://rdrr.io/cran/torchvision/man/places365_dataset.html",
        ),
    ),
)

OPEN_IMAGES = Facts(
    name="Open Images V7",
    year="2022 (V1: 2016) [1]",
    images="9,011,219 train + 41,620 validation + 125,436 test [1]; boxes on 1.9 million of them [1]",
    classes="20,638 for whole pictures, 600 for boxes, 350 for masks [1]",
    labels_per_image="many: 61.4 million in all, present and absent [1]; 8.3 boxed objects a picture [1]",
    how_labelled="classifiers proposed labels, people verified part of them; boxes mostly drawn by hand, masks with an "
    "interactive tool [1]",
    licence="annotations CC BY 4.0; pictures listed as CC BY 2.0, to be checked one by one [1]",
    size_on_disk="513 GB train + 12 GB validation, the pictures with boxes, scaled down [2]",
    known_faults="what nobody asked about is not labelled: no label does not mean absent [3]; machine labels have many "
    "false positives [1]",
    sources=(
        Source(
            "Open Images V7, facts and figures, official page.",
            "https://storage.googleapis.com/openimages/web/factsfigures_v7.html",
        ),
        Source(
            "Common Visual Data Foundation, which hosts the pictures.",
            "https://github.com/cvdfoundation/open-images-dataset",
        ),
        Source(
            "Kuznetsova et al., The Open Images Dataset V4, IJCV 2020.",
            "https://arxiv.org/abs/1811.00982",
        ),
    ),
)

YFCC100M = Facts(
    name="YFCC100M",
    year="2014 (paper 2016) [1]",
    images="99.2 million photos + 0.8 million videos [2]",
    classes="none: free words of the uploaders; later 1,570 concepts found by classifiers [3]",
    labels_per_image="any number of user tags and machine tags, often none [1]",
    how_labelled="by whoever uploaded it (user tags), by their programs (machine tags), by classifiers tuned to a "
    "precision of at least 90 % (autotags) [3]",
    licence="one of the Creative Commons licences, photo by photo [2]",
    size_on_disk="15 GB of metadata, packed [2]; the pictures: not stated",
    known_faults="tags say what mattered to the uploader, not what is visible [1]; 4,307,331 items have no autotag [3]",
    sources=(
        Source(
            "Thomee et al., YFCC100M: The New Data in Multimedia Research, CACM 2016.",
            "https://arxiv.org/abs/1503.01817",
        ),
        Source("Multimedia Commons, core dataset.", "https://multimediacommons.wordpress.com/yfcc100m-core-dataset/"),
        Source(
            "Multimedia Commons, expansion packs.",
            "https://multimediacommons.wordpress.com/yfcc100m-expansion-packs/",
        ),
    ),
)

TABLE = Table((CIFAR10, IMAGENET, YFCC100M, OPEN_IMAGES, PLACES365))  # the lecture's order
