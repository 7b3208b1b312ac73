"""Sets of models: a small file in a model repository that names the model each service uses by default.

`convoy model pull SET` writes `<repository>/<set>.set.json`; a service that is started with CONVOY_MODEL_SET reads it.
The file lies beside the models, so it travels with them into an image or a volume.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from convoy.core.errors import FailedPrecondition, NotFound
from convoy.core.settings import Settings

SUFFIX = ".set.json"
FIELDS = {
    "classification": "classification_model",
    "detection": "detection_model",
    "segmentation": "segmentation_model",
    "imaging": "imaging_model",
    "face_detector": "face_detector",
    "face_embedder": "face_embedder",
}
"""Each place in a set -> the setting that chooses the model for it."""


def write_set(repository: Path, name: str, models: Mapping[str, str]) -> Path:
    """Write the model of each service, as {"detection": "yolox-nano", …}."""
    file = repository / f"{name}{SUFFIX}"
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(dict(models), indent=2) + "\n", "utf-8")
    partial.replace(file)
    return file


def read_set(repositories: Sequence[Path], name: str) -> dict[str, str]:
    """Read the models of a set from the first repository that has it.

    Raises NotFound(NO_SET), FailedPrecondition(BAD_SET).
    """
    for repository in repositories:
        file = repository / f"{name}{SUFFIX}"
        if file.is_file():
            return _read(file)
    looked = ", ".join(map(str, repositories))
    raise NotFound("NO_SET", f"there is no set '{name}' in {looked}", hint=f"`convoy model pull {name}` downloads it")


def apply_set(settings: Settings) -> Settings:
    """Fill in the models of CONVOY_MODEL_SET for each service whose own setting names none.

    Raises NotFound(NO_SET), FailedPrecondition(BAD_SET).
    """
    if not settings.model_set:
        return settings
    chosen = read_set(settings.repositories, settings.model_set)
    fields = {FIELDS[role]: model for role, model in chosen.items() if role in FIELDS}
    own = settings.model_fields_set
    return settings.model_copy(update={field: model for field, model in fields.items() if field not in own})


def _read(file: Path) -> dict[str, str]:
    try:
        models = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FailedPrecondition("BAD_SET", f"{file} cannot be read: {error}") from None
    if not isinstance(models, dict) or not all(isinstance(model, str) for model in models.values()):
        raise FailedPrecondition("BAD_SET", f"{file} must map each service to a model's name")
    return models
