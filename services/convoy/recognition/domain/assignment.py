"""Brings rows and columns together, each at most once, so that the total of their weights is the highest.

The rows are the faces of a picture, the columns are people. scipy's linear_sum_assignment does the first half of this;
the services go without scipy's hundred megabytes, and it is the judge in the tests.
"""

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]
NOBODY = -1
_FORBIDDEN = 1e9


def assign(weights: Weights) -> Columns:
    """The column of each row, or NOBODY, so that the total is the highest.

    weights: [rows, columns], -inf where the two may not come together. The method is the Hungarian one, by shortest
    augmenting paths (Kuhn 1955, Jonker and Volgenant 1987).
    """
    rows, columns = weights.shape
    # Each row may stay alone, at no cost, in a column of its own.
    costs = np.hstack([np.where(np.isfinite(weights), -weights, _FORBIDDEN), np.zeros((rows, rows))])
    width = columns + rows + 1
    of_row, of_column = np.zeros(rows + 1), np.zeros(width)
    owner = np.zeros(width, np.int64)
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        nearest, way, seen = np.full(width, np.inf), np.zeros(width, np.int64), np.zeros(width, bool)
        while True:
            seen[column] = True
            reduced = costs[owner[column] - 1] - of_row[owner[column]] - of_column[1:]
            better = np.flatnonzero(~seen[1:] & (reduced < nearest[1:])) + 1
            nearest[better], way[better] = reduced[better - 1], column
            column = int(np.argmin(np.where(seen, np.inf, nearest)))
            step = nearest[column]
            of_row[owner[seen]] += step
            of_column[seen] -= step
            nearest[~seen] -= step
            if not owner[column]:
                break
        while column:
            owner[column], column = owner[way[column]], way[column]
    assigned = np.full(rows, NOBODY)
    taken = np.flatnonzero(owner[1 : columns + 1])
    assigned[owner[taken + 1] - 1] = taken
    return assigned


def measure_lead(weights: Weights, assigned: Columns) -> Weights:
    """By how much the best total exceeds the best one that differs at a row: [rows], inf where there is no other.

    weights: as for `assign`, above 0 or -inf; assigned: its answer. A total differs at a row if the row gets another
    column, or its column goes to another row. A row without a column differs if it gets one.
    """
    held, alone = np.flatnonzero(assigned != NOBODY), np.flatnonzero(assigned == NOBODY)
    end, has = len(held), assigned[held]
    free = np.setdiff1d(np.arange(weights.shape[1]), has)
    loss = weights[held, has]
    # A change is a round trip: each row takes what the next one has, and the end stands for whoever is alone or free.
    taking = np.full((end + 1, end + 1), -np.inf)
    taking[:end, :end] = weights[np.ix_(held, has)] - loss
    taking[:end, end] = weights[np.ix_(held, free)].max(axis=1, initial=-np.inf)
    taking[end, :end] = weights[np.ix_(alone, has)].max(axis=0, initial=-np.inf) - loss
    np.fill_diagonal(taking, -np.inf)
    gain = taking.copy()
    gain[:end, end] = np.maximum(gain[:end, end], 0)
    gain[end, :end] = np.maximum(gain[end, :end], -loss)
    np.fill_diagonal(gain, 0)
    for middle in range(end + 1):
        gain = np.maximum(gain, gain[:, middle, None] + gain[None, middle])
    lead = np.full(len(weights), np.inf)
    around = np.maximum((taking + gain.T).max(axis=1), (gain + taking.T).max(axis=1))
    lead[held] = -around[:end]
    if end:
        lead[alone] = -(weights[np.ix_(alone, has)] - loss + gain[:end, end]).max(axis=1)
    return lead
