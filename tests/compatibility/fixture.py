"""Where a recorded version lies, and the settings under which its services were recorded."""

from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
V0_1_0 = FIXTURES / "v0.1.0"
BOUND = FIXTURES / "default-embedder-small"
"""Galleries of the published embedder that was the default before face-embedder was."""
COMMIT = "6139dbf6fc9a665ba126b760d91b67b840b7d2ce"
"""What V0_1_0 was recorded from."""
TINY = {
    "tiny-classifier": "classification",
    "spare-classifier": "classification",
    "tiny-detector": "detection",
    "tiny-segmenter": "segmentation",
    "tiny-face-detector": "face_detection",
    "tiny-face-embedder": "face_embedding",
}
"""The models of a fixture, and their tasks."""
PUBLISHED = ("cifar10-resnet", "bccd-yolo", "camvid-unet", "face-detector-nano", "face-embedder-small")


def vision_settings(models: Path) -> dict[str, dict[str, str]]:
    """Classification, detection, segmentation and faces on a fixture's models."""
    # 0.1.0 let everybody on this machine load models.
    shared = {"CONVOY_MODELS": str(models), "CONVOY_ADMIN": "true"}
    embedder = {"CONVOY_FACE_DETECTOR": "tiny-face-detector", "CONVOY_FACE_EMBEDDER": "tiny-face-embedder"}
    return {
        "classification": shared | {"CONVOY_MODEL": "tiny-classifier"},
        "detection": shared | {"CONVOY_MODEL": "tiny-detector"},
        "segmentation": shared | {"CONVOY_MODEL": "tiny-segmenter"},
        "faces": shared | embedder,
    }


def recognition_settings(faces: str, redis_url: str, key: Path | None = None) -> dict[str, str]:
    """Recognition, its faces and its store. key: seals the templates of new galleries."""
    sealed = {"CONVOY_TEMPLATE_KEY_FILE": str(key)} if key else {}
    return {"CONVOY_FACES_ADDRESS": faces, "CONVOY_REDIS_URL": redis_url} | sealed


def link_published(repository: Path, folder: Path) -> Path:
    """A model repository of the published models alone that are asked."""
    models = folder / "published"
    models.mkdir()
    for name in PUBLISHED:
        (models / name).symlink_to(repository / "exported_models" / name)
    return models


def published_settings(models: Path) -> dict[str, dict[str, str]]:
    """The same services on the published models, by the choice that 0.1.0 made of itself."""
    services = ("classification", "detection", "segmentation", "faces")
    settings = {service: {"CONVOY_MODELS": str(models)} for service in services}
    settings["faces"] |= {"CONVOY_FACE_EMBEDDER": "face-embedder-small", "CONVOY_FACE_DETECTOR": "face-detector-nano:1"}
    return settings
