"""Every family of networks has an FP16 form, from the first weights on, and it computes what PyTorch does."""

from pathlib import Path

import pytest

from tests.unit.training.fresh_networks import FRESH
from tests.unit.training.test_half_precision import QUICK, check


@pytest.mark.parametrize("name", sorted(FRESH.keys() - set(QUICK)))
def test_a_fresh_network_has_a_half_precision_form(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
