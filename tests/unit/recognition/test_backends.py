"""Where a new gallery is to be searched."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.requests import read_vector_sets
from convoy.v1 import recognition_pb2 as pb


def test_a_backend_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidArgument, match="backend 99 is not known; use BACKEND_MEMORY, BACKEND_VECTOR_SETS"):
        read_vector_sets(pb.CreateGalleryRequest(backend=99))  # type: ignore[arg-type]


def test_vector_sets_of_a_gallery_in_memory_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="vector_sets needs backend BACKEND_VECTOR_SETS"):
        read_vector_sets(pb.CreateGalleryRequest(backend=pb.BACKEND_MEMORY, vector_sets=pb.VectorSets(shards=2)))
