"""The services by name. The command line reads this first, so it imports nothing heavy."""

from typing import Literal, get_args

ServiceName = Literal["classification", "detection", "segmentation", "faces", "recognition"]
SERVICES: tuple[ServiceName, ...] = get_args(ServiceName)
