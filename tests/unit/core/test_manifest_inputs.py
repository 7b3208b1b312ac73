"""What a manifest must say of a graph that takes signals, volumes or pictures of things."""

from typing import Any

import pytest
from convoy.core.manifest import Export, InputSpec, Manifest, SignalSpec, Task, Training, VolumeSpec

ROW, SQUARE = InputSpec(height=1, width=100, resize="none"), InputSpec(height=8, width=8, resize="stretch")
SIGNAL = SignalSpec(rate_hz=50, length=100, channels=3)


def made(task: Task, **facts: Any) -> Manifest:
    given = {
        "name": "net",
        "version": "1",
        "architecture": "none",
        "sha256": "0" * 64,
        "licence": "none",
        "labels": ["a", "b"],
        "training": Training(recipe="none", command="none", data=[], data_terms="none"),
        "export": Export(opset=21),
    }
    return Manifest.model_validate({**given, "task": task, **facts})


def test_the_channels_are_those_of_the_signal_or_the_slices() -> None:
    signal = made(Task.SIGNAL_CLASSIFICATION, input=ROW, signal=SIGNAL)
    assert signal.channels == 3 and signal.outputs == ("probabilities",)
    volume = made(Task.VOLUME_SEGMENTATION, input=SQUARE, volume=VolumeSpec(slices=5))
    assert volume.channels == 5 and volume.outputs == ("class_map",)
    # Version 0.1.0 reads manifests that need none of it.
    written = made(Task.CLASSIFICATION, input=SQUARE).model_dump_json()
    assert '"signal"' not in written and '"volume"' not in written


@pytest.mark.parametrize(
    ("task", "facts", "words"),
    [
        (Task.SIGNAL_CLASSIFICATION, {"input": ROW}, "signal: needed"),
        (Task.CLASSIFICATION, {"input": SQUARE, "signal": SIGNAL}, "signal: needed"),
        (Task.CLASSIFICATION, {"input": ROW}, "resize=none is for signals"),
        (Task.SIGNAL_CLASSIFICATION, {"input": SQUARE, "signal": SIGNAL}, "resize=none is for signals"),
        (Task.SIGNAL_CLASSIFICATION, {"input": ROW, "signal": SIGNAL, "labels": []}, "needs them"),
        (
            Task.SIGNAL_CLASSIFICATION,
            {"input": ROW, "signal": SignalSpec(rate_hz=50, length=99)},
            "as wide as it has samples",
        ),
        (Task.VOLUME_SEGMENTATION, {"input": SQUARE}, "volume: needed"),
        (Task.SEGMENTATION, {"input": SQUARE, "volume": VolumeSpec(slices=5)}, "volume: needed"),
        (Task.VOLUME_SEGMENTATION, {"input": SQUARE, "volume": {"slices": 4, "context": 2}}, "leaves no slice"),
        (Task.VOLUME_SEGMENTATION, {"input": SQUARE, "volume": {"slices": 1}}, "greater than or equal to 2"),
        (Task.EMBEDDING, {"input": SQUARE}, "an embedder needs it"),
        (Task.CLASSIFICATION, {"input": {"height": 8, "width": 5000, "resize": "stretch"}}, "width is at most 4096"),
    ],
)
def test_what_does_not_fit_is_refused(task: Task, facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(task, **facts)
