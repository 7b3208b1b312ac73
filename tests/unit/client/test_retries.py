"""The retry policy that docs/faults.md gives to other clients is the one that ours have."""

import json
import re
from pathlib import Path

from convoy.client.retries import SERVICE_CONFIG


def test_the_page_has_the_service_config_of_the_client(root: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", (root / "docs" / "faults.md").read_text(), re.DOTALL)
    assert json.loads(block) == json.loads(SERVICE_CONFIG)
