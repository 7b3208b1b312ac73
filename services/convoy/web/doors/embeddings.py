"""Two faces of pictures beside each other, for the doors that compare several faces in one call."""

import operator

from convoy.v1 import faces_pb2


def cosine(first: faces_pb2.Embedding, second: faces_pb2.Embedding) -> float:
    """The cosine of two embeddings, which have unit length."""
    return float(sum(map(operator.mul, first.values, second.values)))
