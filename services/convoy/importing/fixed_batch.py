"""Opens a graph with a fixed batch of several pictures for any number, and compares it with the original file."""

from dataclasses import replace

import numpy as np

from convoy.core.models.engine import Outputs
from convoy.importing.assembly import join, keep_outputs
from convoy.importing.batch import open_batch
from convoy.importing.frame import Frame
from convoy.importing.network import Network, bad_network
from convoy.importing.pictures import random_images
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import TOLERANCE, Disproof, open_engine, run

RE_EXPORT = "export it again with a dynamic batch, or with a batch of 1"


def open_fixed_batch(network: Network, frame: Frame, preprocessing: Preprocessing) -> Network:
    """Open a network whose file takes only one fixed number of pictures, and more than one, for any number.

    The file cannot run on one picture, so this compares the opened graph with the rows of its batch: in batches of one,
    of as many, and of one more. Raises InvalidArgument(BAD_NETWORK) if the pictures of a batch influence one another.
    """
    if not isinstance(network.batch, int) or network.batch == 1:
        return network
    opened = replace(network, model=open_batch(network))
    try:
        _prove_rows(network, opened, frame, preprocessing, network.batch)
    except Disproof as disproof:
        told = f"its batch is fixed at {network.batch} and cannot be opened ({disproof})"
        raise bad_network(network.file, f"{told}; {RE_EXPORT}") from None
    return opened


def _prove_rows(network: Network, opened: Network, frame: Frame, preprocessing: Preprocessing, batch: int) -> None:
    file, free = (
        open_engine(join(form, form.model, preprocessing, frame.fixed, keep_outputs)) for form in (network, opened)
    )
    images = random_images(batch + 1, *frame.probe())
    # The last picture has other neighbours than in `images`, so this finds a row that depends on its neighbours.
    first, second = run(file, images[:batch]), run(file, images[1:])
    wanted = {name: np.concatenate([rows, second[name][-1:]]) for name, rows in first.items() if rows.shape[:1]}
    if lost := [name for name in first if len(wanted.get(name, ())) != batch + 1]:
        raise Disproof(f"{', '.join(lost)} do not have a row for each picture")
    for chosen in (slice(1), slice(1, 2), slice(batch), slice(batch + 1)):
        _compare(wanted, run(free, images[chosen]), chosen, TOLERANCE[network.precision])


def _compare(wanted: Outputs, found: Outputs, chosen: slice, tolerance: float) -> None:
    for name, rows in wanted.items():
        expected, actual = np.asarray(rows[chosen], np.float64), np.asarray(found[name], np.float64)
        if expected.shape != actual.shape:
            raise Disproof(f"{name} of {len(expected)} pictures have shape {list(actual.shape)}")
        difference = np.abs(expected - actual).max(initial=0.0) / max(1.0, np.abs(expected).max(initial=0.0))
        if not difference <= tolerance:
            raise Disproof(f"{name} of a picture differ by {difference:.2g} from those that the file gives")
