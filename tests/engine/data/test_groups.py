"""Groups are found where names, sources and cameras tell of them, proposed, and never parted once they are chosen."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from copied import COPIED, photograph
from pictures import encoded, make_folder
from PIL import Image as pillow

from engine.data.dataset import commit, health_card
from engine.data.dataset_records import Draft, GroupBy, Image
from engine.data.drafts import draft_health_card, with_splits
from engine.data.grouping.capture_times import bursts, capture
from engine.data.grouping.groups import grouped, groupings
from engine.data.importer import scan
from engine.workspace import Workspace


def draft(names: Sequence[str], *, groups: Sequence[str] = (), **known: tuple[tuple[str, ...], ...]) -> Draft:
    """Images of these names; the class is the folder, the content the name."""
    classes = sorted({name.partition("/")[0] for name in names})
    images = [
        Image(
            index=index,
            name=name,
            file=name,
            label=classes.index(name.partition("/")[0]),
            split="train",
            width=9,
            height=9,
            sha256=f"{index:03d}",
            group=groups[index] if groups else "",
        )
        for index, name in enumerate(names)
    ]
    return Draft(
        name="n",
        source="s",
        layout="l",
        classes=tuple(classes),
        images=tuple(images),
        given=(None,) * len(images),
        problems=(),
        **known,
    )


def ways(made: Draft) -> dict[GroupBy, int]:
    return {way.by: way.count for way in groupings(made)}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("{c}/p{g:02d}_{n:04d}.jpg", 8),
        ("{c}/if{g}_{c}.if{g}.{n:04d}.png", 8),
        ("{c}/{c}-clip {g}x-{n}.jpg", 16),  # a clip of each class
        ("{c}/IMG_2024010{g}_{n}.jpg", 8),
        ("{c}/{c}{n}.jpg", 0),
        ("{c}/{c}.{n}.jpg", 0),
        ("{c}/IMG_{n:04d}.jpg", 0),
        ("{c}/{n:04d}.jpg", 0),
        ("{c}/0a{n}b{g}-77-9c.jpg", 0),
    ],
)
def test_file_names_tell_of_groups_but_classes_cameras_and_counters_are_none(pattern: str, count: int) -> None:
    names = [pattern.format(c=c, g=g, n=100 * g + n) for c in ("cat", "dog") for g in range(8) for n in range(5)]
    assert ways(draft(names)).get("name", 0) == count


@pytest.mark.parametrize(
    "names",
    [
        [f"{c}/p{person}/{n}.jpg" for c in "ab" for person in range(6) for n in range(5)],  # numbers count anew
        [f"{c}/{stem}_{n}.jpg" for c in "abc" for stem, of in ((f"class{c}", 9), ("val", 3)) for n in range(of)],
    ],
)
def test_names_that_count_or_name_the_class_are_no_groups(names: list[str]) -> None:
    assert "name" not in ways(draft(names))


def test_what_the_source_names_is_used_and_the_rest_is_proposed() -> None:
    names = [f"{c}/p{person}_{n}.jpg" for c in ("a", "b") for person in range(10) for n in range(4)]
    named = draft(names, groups=[f"person {place // 8}" for place in range(80)])
    assert ways(named) == {"source": 10, "name": 10}
    split = with_splits(named)
    assert split.group_by == "source" and len({(image.group, image.split) for image in split.images}) == 10
    assert {image.split for image in split.images} == {"train", "val", "test"}
    unnamed = with_splits(draft(names))
    assert unnamed.group_by == "none" and not any(image.group for image in unnamed.images)
    chosen = with_splits(draft(names), group_by="name")
    assert len({(image.group, image.split) for image in chosen.images}) == 10


def test_near_copies_join_what_they_link() -> None:
    names = [f"{c}/{n}.jpg" for c in "ab" for n in range(10)]
    made = grouped(draft(names, near_copies=(("a/0.jpg", "b/0.jpg"),)), "none")
    assert [image.name for image in made.images if image.group] == ["a/0.jpg", "b/0.jpg"]
    assert len({image.group for image in made.images}) == 2
    people = [f"p{place % 5}" for place in range(20)]
    linked = grouped(draft(names, groups=people, near_copies=(("a/0.jpg", "a/1.jpg"),)))
    assert len({image.group for image in linked.images}) == 4


def test_a_burst_is_what_one_camera_took_within_moments(tmp_path: Path) -> None:
    times = {"a": "10:00:00", "b": "10:00:02", "c": "10:00:03", "d": "10:00:30", "e": "nonsense"}
    for name, time in times.items():
        exif = pillow.Exif()
        exif[272] = "phone"
        exif.get_ifd(0x8769)[36867] = f"2026:05:01 {time}"
        pillow.new("RGB", (8, 8)).save(tmp_path / name, "JPEG", exif=exif)
    taken = {name: found for name in times if (found := capture(tmp_path / name))}
    assert taken.keys() == {"a", "b", "c", "d"}
    assert bursts(taken) == (("a", "b", "c"),)
    (tmp_path / "bad").write_bytes(b"\xff\xd8\xff\xe1\x00\x08Exif")
    assert capture(tmp_path / "bad") is None and bursts({}) == ()


def test_an_import_finds_near_copies_keeps_them_together_and_says_so(workspace: Workspace, tmp_path: Path) -> None:
    files = {f"{'ab'[n % 2]}/{n}.png": encoded(photograph(n)) for n in range(12)}
    files |= {f"a/{name}.jpg": encoded(COPIED[name](photograph(0)), "JPEG") for name in ("half size", "mirrored")}
    dataset = commit(workspace, scan(workspace, make_folder(tmp_path / "set", files)))
    family = [image for image in dataset.images if image.group]
    assert {image.name for image in family} == {"a/0.png", "a/half size.jpg", "a/mirrored.jpg"}
    assert len({image.split for image in family}) == 1
    card = health_card(dataset)
    assert len(card.near_copies) == 1 and card.near_copies_across_splits == 0
    assert any("2 images show the same picture as another" in warning for warning in card.warnings)


def test_given_splits_stay_the_leak_is_counted_and_can_be_excluded(workspace: Workspace, tmp_path: Path) -> None:
    files = {f"{'test' if n > 11 else 'train'}/{'ab'[n % 2]}/{n}.png": encoded(photograph(n)) for n in range(24)}
    files |= {f"test/a/c{n}.jpg": encoded(COPIED["re-encoded"](photograph(n)), "JPEG") for n in (0, 2)}
    draft_id = scan(workspace, make_folder(tmp_path / "set", files))
    card = draft_health_card(workspace, draft_id)
    assert card.near_copies_across_splits == 2 and card.parted_groups == 2
    assert any(warning.startswith("2 validation or test images are near-copies") for warning in card.warnings)
    mended = commit(workspace, draft_id, exclude_problems=True)
    names = {image.name for image in mended.images}
    assert len(names) == 24 and not names & {"train/a/0.png", "train/a/2.png"}
    assert health_card(mended).near_copies_across_splits == 0
