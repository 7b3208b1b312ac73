"""Policies out of requests."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.records import Policy
from convoy.recognition.messages import read_policy
from convoy.v1 import recognition_pb2 as pb


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5, float("nan")])
def test_a_rate_lies_above_nought(rate: float) -> None:
    message = pb.GalleryPolicy(false_positive_identification_rate=rate)
    with pytest.raises(InvalidArgument, match="must lie above 0, up to 1"):
        read_policy(message, Policy())
