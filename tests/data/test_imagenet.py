"""ImageNet: what each layout must give, and what a person is told where a folder lacks something."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest
import torch

from course_lib.data import imagenet
from course_lib.errors import CourseError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    imagenet.miniature(folder, train=2, val=1)
    return folder


@pytest.fixture
def copy(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def as_kaggle_packs_it(torchvisions: Path, kaggle: Path) -> Path:
    """The same pictures as on Kaggle: validation in one folder, names and answers in two text files."""
    pictures = kaggle / "ILSVRC" / "Data" / "CLS-LOC"
    shutil.copytree(torchvisions / "train", pictures / "train")
    (pictures / "val").mkdir()
    answers = ["ImageId,PredictionString"]
    for path in sorted((torchvisions / "val").glob("*/*.JPEG")):
        shutil.copy(path, pictures / "val")
        answers.append(f"{path.stem},{path.parent.name} 10 20 30 40 {path.parent.name} 1 2 3 4")
    (kaggle / "LOC_val_solution.csv").write_text("\n".join(answers) + "\n")
    names = [f"{wnid} {words}" for wnid, (words, _, _) in imagenet.MINIATURE_CLASSES.items()]
    (kaggle / "LOC_synset_mapping.txt").write_text("\n".join(names) + "\n")
    return kaggle


def test_a_picture_comes_with_its_class_number_wnid_and_synonyms(drawn: Path) -> None:
    train = imagenet.open(drawn)
    example = train[2 * 3]  # two pictures a class, classes sorted by wnid
    assert example.image.dtype == torch.uint8
    assert example.image.shape[0] == 3
    assert (example.label, example.wnid) == (3, "n02930766")
    assert example.synonyms == ("cab", "hack", "taxi", "taxicab")
    assert example.path.parent.name == "n02930766"
    assert train.classes[3] == "cab"
    assert train.class_counts().tolist() == [2] * 8


def test_torchvision_opens_the_miniature_and_agrees(drawn: Path) -> None:
    from torchvision.datasets import ImageNet

    for split in ("train", "val"):
        theirs, ours = ImageNet(drawn, split=split), imagenet.open(drawn, split)
        assert theirs.targets == ours.labels.tolist()
        assert theirs.classes == list(ours.synonyms)
        assert theirs.samples[5][0] == str(ours[5].path)


def test_kaggles_layout_gives_the_same_pictures_and_labels(drawn: Path, tmp_path: Path) -> None:
    kaggle = as_kaggle_packs_it(drawn, tmp_path / "kaggle")
    for split in ("train", "val"):
        ours, expected = imagenet.open(kaggle, split), imagenet.open(drawn, split)
        assert ours.synonyms == expected.synonyms
        assert ours.labels.tolist() == expected.labels.tolist()
        assert torch.equal(ours[-1].image, expected[-1].image)
        assert not ours.is_miniature


def test_names_are_read_from_the_development_kit_packed_or_not(copy: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    import numpy as np

    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(i, wnid, words, "", 0) for i, (wnid, (words, _, _)) in enumerate(imagenet.MINIATURE_CLASSES.items(), 1)]
    rows.append((1001, "n00000001", "an inner node of WordNet, no class", "", 3))
    kit = copy / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    scipy_io.savemat(kit / "meta.mat", {"synsets": np.array(rows, dtype=fields)})
    expected = imagenet.open(copy).synonyms
    (copy / "meta.bin").unlink()
    assert imagenet.open(copy).synonyms == expected
    kaggle = as_kaggle_packs_it(copy, copy / "kaggle")
    (kaggle / "LOC_synset_mapping.txt").unlink()
    shutil.copytree(kit, kaggle / kit.relative_to(copy))
    assert imagenet.open(kaggle, "val").labels.tolist() == list(range(8)), "only nouns without children are classes"
    with tarfile.open(copy / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        archive.add(kit.parent, "ILSVRC2012_devkit_t12")
    shutil.rmtree(kit.parent)
    assert imagenet.open(copy).synonyms == expected


def test_a_truncated_development_kit_is_named(copy: Path) -> None:
    (copy / "meta.bin").unlink()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        archive.add(copy / "train", "ILSVRC2012_devkit_t12")
    (copy / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(CourseError, match=r"ILSVRC2012_devkit_t12\.tar\.gz is cut off"):
        imagenet.open(copy)


def test_without_a_folder_the_miniature_is_drawn_once_and_says_what_it_is(cache: Path, monkeypatch) -> None:
    monkeypatch.delenv(imagenet.ENVIRONMENT_VARIABLE, raising=False)
    train = imagenet.open()
    assert train.is_miniature
    assert "miniature" in repr(train)
    assert cache in train[0].path.parents
    monkeypatch.setattr(imagenet, "miniature", None)  # drawing again would fail
    assert len(imagenet.open(split="val")) == 32
    assert not list(cache.glob("**/*.partial"))


def test_a_drawing_that_fails_leaves_nothing_behind(cache: Path, monkeypatch) -> None:
    def fails(folder: Path) -> None:
        imagenet.miniature(folder, train=1, val=1)
        raise OSError("the lights went out")

    from course_lib.data import folders

    with pytest.raises(CourseError, match="lights went out"):
        folders.find(None, "COURSE_NOT_SET", fails, version="imagenet-test")
    assert not [path for path in (cache / "miniatures").iterdir() if path.is_dir()]


def test_the_environment_variable_names_the_folder(drawn: Path, monkeypatch) -> None:
    monkeypatch.setenv(imagenet.ENVIRONMENT_VARIABLE, str(drawn))
    assert drawn in imagenet.open()[0].path.parents
    monkeypatch.setenv(imagenet.ENVIRONMENT_VARIABLE, str(drawn / "nowhere"))
    with pytest.raises(CourseError, match=r"nowhere .*COURSE_IMAGENET"):
        imagenet.open()


@pytest.mark.parametrize(
    ("remove", "message"),
    [("val", r"val is missing\. Expected here: ImageNet"), ("meta.bin", "does not say what its classes are called")],
)
def test_what_is_missing_is_named_with_the_layout(copy: Path, remove: str, message: str) -> None:
    path = copy / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CourseError, match=message):
        imagenet.open(copy, "val")


def test_a_folder_that_is_no_class_is_named(copy: Path) -> None:
    (copy / "train" / "n01443537").rename(copy / "train" / "n00000001")
    with pytest.raises(CourseError, match="n00000001, which is no class"):
        imagenet.open(copy)


def test_a_class_without_pictures_is_named(copy: Path) -> None:
    shutil.rmtree(copy / "train" / "n02782093")
    (copy / "train" / "n02782093").mkdir()
    with pytest.raises(CourseError, match="n02782093"):
        imagenet.open(copy)


def test_malformed_lines_are_named_by_number(drawn: Path, tmp_path: Path) -> None:
    kaggle = as_kaggle_packs_it(drawn, tmp_path / "kaggle")
    answers = kaggle / "LOC_val_solution.csv"
    answers.write_text(answers.read_text().replace("n01443537 10 20 30 40 n01443537 1 2 3 4", "", 1))
    with pytest.raises(CourseError, match=r"LOC_val_solution\.csv, line 2"):
        imagenet.open(kaggle, "val")
    mapping = kaggle / "LOC_synset_mapping.txt"
    mapping.write_text(mapping.read_text().replace("n02802426 basketball", "basketball"))
    with pytest.raises(CourseError, match=r"LOC_synset_mapping\.txt, line 3"):
        imagenet.open(kaggle, "train")


def test_a_broken_picture_is_named(copy: Path) -> None:
    train = imagenet.open(copy)
    path = train[0].path
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CourseError, match=path.name):
        train[0]


def test_an_unknown_split_is_refused(drawn: Path) -> None:
    with pytest.raises(CourseError, match="no split 'test'"):
        imagenet.open(drawn, "test")


def test_a_preview_is_an_image_set_of_all_classes(drawn: Path) -> None:
    train = imagenet.open(drawn)
    preview = train.preview(9, size=32)
    assert preview.images.shape == (9, 3, 32, 32)
    assert preview.class_counts().min() == 1
    assert preview.classes == train.classes
    assert preview.is_miniature
    brightness = torch.stack([train[i].image.float().mean() for i in range(2)])  # the two goldfish
    ours = preview.images[preview.labels == 0].float().mean((1, 2, 3))
    assert (ours[:, None] - brightness).abs().min(1).values.max() < 6  # a label moves with its picture
