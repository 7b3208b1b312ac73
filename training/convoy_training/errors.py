"""What can go wrong in training, as a user reads it.

TrainingError
├── RecipeError      a field of the YAML file or of the command line
├── LabelError       a label file: names file, line and reason
├── DivergenceError  the loss is no longer a number
├── ShortageError    the memory is too small for the training
├── CheckpointError  a checkpoint that cannot be read, or that belongs to another architecture
└── ExportError      a model that cannot be published, such as a graph that answers differently in ONNX Runtime
"""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""


class TrainingError(Exception):
    """The root. You see one sentence, and exit code 1."""


class RecipeError(TrainingError):
    """A recipe that cannot be used as written."""


class LabelError(TrainingError):
    """A wrong label file, refused before training starts."""

    def __init__(self, file: str, line: int | None, reason: str, kind: str = "labels", detail: str = "") -> None:
        super().__init__(f"{file}{f':{line}' if line else ''}: {reason}")
        self.file, self.line, self.reason, self.kind = file, line, reason, kind
        self.detail = detail
        """Lines to show below the sentence, such as the folders that were found."""


class DivergenceError(TrainingError):
    """The loss became NaN or infinite."""


class ShortageError(TrainingError):
    """The memory does not hold what a step needs."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be used."""


class ExportError(TrainingError):
    """A model that cannot be published."""
