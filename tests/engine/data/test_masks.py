from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, make_folder, picture
from PIL import Image

from engine.data.dataset import commit
from engine.data.dataset_records import AS_EVER
from engine.data.drafts import draft_health_card, take_reading
from engine.data.imported import ImportChoices
from engine.data.importer import scan
from engine.data.masks import find_masks
from engine.data.staging.unpacking import StagedFile
from engine.workspace import Workspace


def mask(seed: int = 0, kind: str = "PNG", colours: int = 2) -> bytes:
    """Blobs of a few greys."""
    coarse = np.random.default_rng(seed).integers(0, colours, (6, 8), dtype=np.uint8) * (255 // (colours - 1))
    return encoded(Image.fromarray(coarse).resize((40, 30), Image.Resampling.NEAREST), kind)


def masks_of(root: Path, files: dict[str, bytes]) -> list[str]:
    make_folder(root, files)
    return [file.name for file in find_masks([StagedFile(path=root / name, name=name) for name in files])]


NAMED = {
    "suffix": {"benign (1).png": picture(1), "benign (1)_mask.png": mask(), "benign (1)_mask_1.png": mask(1)},
    "prefix": {"7.jpg": picture(1, kind="JPEG"), "mask_7.png": mask(colours=5)},
    "twins": {"exp1.jpg": picture(1, kind="JPEG"), "exp1.png": mask()},
    "three greys beside a bitmap": {"001.bmp": picture(1, kind="BMP"), "001.png": mask(colours=3)},
    "folders": {"images/1.jpg": picture(1, kind="JPEG"), "masks/1.png": mask(), "SegmentationClass/1.png": mask()},
    "saved as JPEG": {"a/1.jpg": picture(1, kind="JPEG"), "a/1_segmentation.jpg": mask(kind="JPEG")},
    "Korean": {"a/1.jpg": picture(1, kind="JPEG"), "a/1_마스크.png": mask()},
}
KEPT = {
    "people who wear masks": {"anna.jpg": picture(1), "anna_mask.jpg": picture(2), "with_mask/1.jpg": picture(3)},
    "drawings in two formats": {"1.png": mask(), "1.bmp": mask(kind="BMP"), "1.jpg": mask(kind="JPEG")},
    "drawings of a class called labels": {f"labels/{n % 2}/{n // 2}.png": mask(n) for n in range(4)},
    "a mask of nothing": {"1.jpg": picture(1), "2_mask.png": mask()},
    "photographs in two formats": {"1.jpg": picture(1, kind="JPEG"), "1.png": picture(1)},
    "broken": {"1.jpg": picture(1), "1_mask.png": b"\x89PNG broken"},
}


@pytest.mark.parametrize("files", NAMED.values(), ids=NAMED)
def test_masks_are_told_by_name_and_colours(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert masks_of(tmp_path, files) == list(files)[1:]


@pytest.mark.parametrize("files", KEPT.values(), ids=KEPT)
def test_pictures_are_no_masks_for_their_name_alone(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert masks_of(tmp_path, files) == []


def test_an_import_leaves_them_out_in_one_sentence_and_keeps_them_when_asked(
    workspace: Workspace, tmp_path: Path
) -> None:
    files = {f"{label}/{n}.png": picture(n + 50 * place) for place, label in enumerate("ab") for n in range(6)}
    files |= {f"{label}/{n}_mask.png": mask(n + 50 * place) for place, label in enumerate("ab") for n in range(6)}
    source = make_folder(tmp_path / "set", files)
    card = draft_health_card(workspace, scan(workspace, source))
    assert card.images == 12 and len(card.problems) == 1
    (problem,) = card.problems
    assert problem.name == "a/0_mask.png and 11 others" and "masks" in problem.reason and problem.kind == "note"
    kept = draft_health_card(workspace, scan(workspace, source, choices=ImportChoices(keep_masks=True)))
    assert kept.images == 24 and not kept.problems


def test_they_are_one_click_away_and_gone_once_the_draft_is_accepted(workspace: Workspace, tmp_path: Path) -> None:
    labels = Image.fromarray(np.array([[0, 3], [1, 2]], dtype=np.uint16))
    files = {f"{label}/{n}.png": picture(n + 50 * place) for place, label in enumerate("ab") for n in range(6)}
    files |= {f"{label}/{n}_mask.png": encoded(labels) for label in "ab" for n in range(6)}
    source = make_folder(tmp_path / "set", files)
    accepted = commit(workspace, scan(workspace, source))
    assert len(accepted.images) == 12 and not accepted.unlabelled and accepted.rendering == AS_EVER
    assert len(list((accepted.folder / "images").iterdir())) == 12
    draft = scan(workspace, source)
    assert "masks" in [other.key for other in draft_health_card(workspace, draft).alternatives]
    take_reading(workspace, draft, "masks")
    card = draft_health_card(workspace, draft)
    assert card.images == 24 and "12 that look like masks" in card.layout and not card.problems
