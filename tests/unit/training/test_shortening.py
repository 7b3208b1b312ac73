"""A smaller face embedder starts from a larger one: first blocks of each stage, a head for fewer cells."""

import pytest
import torch
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.folding import FoldedEmbedder
from convoy_training.models.shortening import shorten

LARGE = {"dimension": 8, "crop_px": 48, "widths": (4, 6, 8), "depths": (3, 2)}


def fold(**fields: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(FoldedEmbedder(FaceEmbedder(dropout=0.0, **fields)).state_dict())  # type: ignore[arg-type]


def test_the_first_blocks_of_each_stage_are_taken() -> None:
    large = fold(**LARGE)
    small = LARGE | {"depths": (1, 2)}
    short = shorten(large, {**LARGE, "widths": [4, 6, 8], "depths": [3, 2]}, small)
    assert {name: value.shape for name, value in short.items()} == {n: v.shape for n, v in fold(**small).items()}
    for mine, theirs in ((2, 2), (3, 5), (4, 6)):
        assert torch.equal(short[f"features.{mine}.body.1.weight"], large[f"features.{theirs}.body.1.weight"])
    assert torch.equal(short["head.weight"], large["head.weight"])


def test_a_head_for_fewer_cells_says_the_same_to_a_plain_map() -> None:
    large, small = fold(**LARGE), LARGE | {"crop_px": 32}
    short = shorten(large, LARGE, small)
    plain = torch.linspace(-1, 1, 8)[:, None]
    expected = large["head.weight"] @ plain.expand(8, 36).flatten()
    actual = short["head.weight"] @ plain.expand(8, 16).flatten()
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("other", [{"depths": (3, 3)}, {"dimension": 16}, {"widths": (4, 6, 10)}])
def test_what_does_not_fit_stays_as_it_is(other: dict[str, object]) -> None:
    large = fold(**LARGE)
    assert shorten(large, LARGE, LARGE | other).keys() == large.keys()
    assert torch.equal(shorten(large, LARGE, LARGE | other)["head.weight"], large["head.weight"])
