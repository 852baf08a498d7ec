import pytest

from engine.data.dataset_records import SPLITS, Draft, HealthCard, Image
from engine.data.health import examine


def image(index: int, label: int = 0, split: str = "train", content: str = "", size: int = 100) -> Image:
    return Image(
        index=index,
        name=f"{label}/{index}.png",
        file="f.png",
        label=label,
        split=split,
        width=size,
        height=size // 2,
        sha256=content or f"content-{index}",
        bytes=10,
    )


def card(images: list[Image], classes: tuple[str, ...] = ("ants", "bees")) -> HealthCard:
    about = {"name": "set", "source": "", "layout": "", "problems": (), "given": (None,) * len(images)}
    return examine(Draft(classes=classes, images=tuple(images), **about))


def balanced(start: int = 0) -> list[Image]:
    return [image(start + n, n % 2, SPLITS[n % 3]) for n in range(60)]


def test_a_sound_set_has_counts_sizes_and_no_warnings() -> None:
    found = card([*balanced(), image(99, 0, size=300)])
    assert [(entry.name, entry.total) for entry in found.classes] == [("ants", 31), ("bees", 30)]
    assert (found.classes[0].train, found.classes[0].val, found.classes[0].test) == (11, 10, 10)
    assert found.width_range == (100, 100, 300) and found.height_range == (50, 50, 150)
    assert found.bytes == 610 and found.warnings == ()


def test_duplicates_are_named_and_counted_across_splits() -> None:
    triplets = [image(70 + number, 0, split, "twin") for number, split in enumerate(SPLITS)]
    found = card([*balanced(), *triplets, image(73, 1, "val", "x"), image(74, 1, "val", "x")])
    assert found.duplicates == (("0/70.png", "0/71.png", "0/72.png"), ("1/73.png", "1/74.png"))
    assert found.duplicates_across_splits == 2
    assert found.label_conflicts == ()


def test_equal_images_of_different_classes_are_a_conflict() -> None:
    found = card([*balanced(), image(70, 0, "train", "twin"), image(71, 1, "train", "twin")])
    assert found.label_conflicts == (("0/70.png", "1/71.png"),)
    assert any("at least one label is wrong" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([*[image(n, 0) for n in range(40)], *[image(50 + n, 1) for n in range(4)]], "Fewer than 5 images: bees"),
        ([*[image(n, 0) for n in range(60)], *[image(100 + n, 1) for n in range(6)]], "10 times"),
        ([image(n, n % 2) for n in range(20)], "No image is left for validation"),
        ([*balanced(), *[image(100 + n, 2) for n in range(9)]], "Without a test image: wasps"),
        ([image(n, n % 2, "train", "same") for n in range(8)], "All images are identical"),
        ([image(n, n % 2, size=20) for n in range(20)], "smaller than 32 pixels"),
    ],
)
def test_risks_become_sentences(images: list[Image], words: str) -> None:
    classes = ("ants", "bees", "wasps") if any(one.label == 2 for one in images) else ("ants", "bees")
    assert any(words in warning for warning in card(images, classes).warnings)


def test_names_that_differ_in_case_are_questioned() -> None:
    assert any("Ant, ant" in warning for warning in card(balanced(), ("Ant", "ant")).warnings)
