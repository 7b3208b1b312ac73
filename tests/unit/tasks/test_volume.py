"""Blocks of slices: each slice is answered once, in order, with the context that the graph needs beside it."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import VolumeSpec
from convoy.segmentation.volume import Block, Blocks


def cut(count: int, spec: VolumeSpec, most: int = 100) -> list[Block[int]]:
    blocks = Blocks[int](spec, most)
    made = [block for one in range(count) for block in blocks.add(one)]
    return [*made, *blocks.end()]


@pytest.mark.parametrize(("slices", "context"), [(2, 0), (3, 1), (4, 1), (5, 2), (8, 0), (8, 1), (8, 3)])
def test_each_slice_is_answered_once_with_its_context(slices: int, context: int) -> None:
    spec = VolumeSpec(slices=slices, context=context)
    for count in range(2, 40):
        answered = []
        for block in cut(count, spec):
            assert len(block.slices) == slices
            for place in block.answered:
                answered.append(block.slices[place])
                assert block.slices[place] == block.first + place
                around = range(max(0, answered[-1] - context), min(count, answered[-1] + context + 1))
                assert set(around) <= set(block.slices), (count, block)
        assert answered == list(range(count))


def test_a_volume_of_fewer_slices_than_a_block_is_mirrored() -> None:
    [block] = cut(3, VolumeSpec(slices=8))
    assert block.slices == (0, 1, 2, 1, 0, 1, 2, 1) and list(block.answered) == [0, 1, 2]
    [pair] = cut(2, VolumeSpec(slices=5, context=1))
    assert pair.slices == (0, 1, 0, 1, 0)


def test_memory_holds_one_block_and_one_slice() -> None:
    blocks = Blocks[int](VolumeSpec(slices=5, context=1), 1000)
    for one in range(200):
        list(blocks.add(one))
        assert len(blocks._held) <= 6


def test_no_block_runs_twice() -> None:
    assert [block.first for block in cut(12, VolumeSpec(slices=4, context=1))] == [0, 2, 4, 6, 8]
    assert len(cut(4, VolumeSpec(slices=4))) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_one_slice_is_no_volume(count: int) -> None:
    with pytest.raises(InvalidArgument, match="use Segment for a single picture") as refused:
        cut(count, VolumeSpec(slices=4))
    assert refused.value.reason == "BAD_VOLUME"


def test_too_many_slices_are_refused_when_they_are_announced_and_when_they_come() -> None:
    blocks = Blocks[int](VolumeSpec(slices=4), 5)
    blocks.expect(5)
    with pytest.raises(InvalidArgument, match="has 6 slices; at most 5"):
        blocks.expect(6)
    with pytest.raises(InvalidArgument, match="has 6 slices"):
        cut(9, VolumeSpec(slices=4), most=5)
