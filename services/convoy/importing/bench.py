"""Checks on pictures that a wrapped graph answers like its original file: alone, and in batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from convoy.core.models.engine import Engine, Outputs
from convoy.core.pictures.decoding import Pixels
from convoy.importing.adapters.adapter import Adapter, Array, Reading
from convoy.importing.comparison import Difference, Reference, compare, largest
from convoy.importing.inspection import Inspection
from convoy.importing.pictures import random_images, trials
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import prove_batch, prove_contract, run

BATCH = 3


@dataclass
class Row:
    """One picture, with the original file's answer and the wrapped graph's answer to it alone."""

    image: Pixels
    answer: Mapping[str, Array]
    alone: Outputs


@dataclass
class Bench:
    """Three pictures for each size of the input: random pixels, the bundled picture, other random pixels."""

    inspection: Inspection
    adapter: Adapter
    reading: Reading
    preprocessing: Preprocessing
    rows: list[list[Row]] = field(default_factory=list)

    def try_single(self, engine: Engine) -> None:
        """Check each answer alone: it must keep the contract and equal the original file's. Raises Disproof."""
        request, network, frame = self.inspection.request, self.inspection.network, self.inspection.frame
        reference = Reference(self.inspection.original, self.adapter, self.reading, self.preprocessing)
        for height, width in frame.sizes(self.adapter.stride):
            of_size = []
            for image in self._pictures(height, width):
                alone = run(engine, image[None])
                prove_contract(alone, request.task, len(self.inspection.labels), height, width)
                answer = reference.answer(image)
                compare(alone, [answer], request.task, network.precision)
                of_size.append(Row(image, answer, alone))
            self.rows.append(of_size)

    def try_batches(self, engine: Engine) -> tuple[Difference, ...]:
        """Check them in a batch and in a batch of one; return the largest differences from the file.

        Raises Disproof.
        """
        task, precision = self.inspection.request.task, self.inspection.network.precision
        differences = []
        for rows in (chosen for of_size in self.rows for chosen in (of_size, of_size[:1])):
            together = run(engine, np.stack([row.image for row in rows]))
            prove_batch([row.alone for row in rows], together, task, precision)
            differences += compare(together, [row.answer for row in rows], task, precision)
        return largest(differences)

    def _pictures(self, height: int, width: int) -> list[Pixels]:
        shown = trials(height, width, self.inspection.frame.spec(self.inspection.request, self.adapter))
        return [*(trial.image_rgb for trial in shown), *random_images(BATCH, height, width)[len(shown) :]]
