import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from convoy_training.errors import CheckpointError, DivergenceError, LabelError, RecipeError
from convoy_training.recipe import Optimizer
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.loop import fit, read_metrics
from convoy_training.runs.muon import orthogonalise
from convoy_training.runs.schedule import build_average_step, build_optimizer, build_scheduler
from convoy_training.task import Data

from tests.unit.training.tiny_task import CONFIG, TASK, Batches


class Killed(Exception):
    """Stands for the power cut in the middle of an epoch."""


def changed(**functions: object) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(TASK), **functions})


def killed_in(epoch: int) -> SimpleNamespace:
    class Fragile(Batches):
        def __call__(self, now: int):
            for step, batch in enumerate(super().__call__(now)):
                if now == epoch and step == 2:
                    raise Killed
                yield batch

    return changed(build_data=lambda config: Data(Fragile(config.batch_size), "0" * 64))


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    unbroken = fit(TASK, CONFIG, tmp_path / "unbroken")
    with pytest.raises(Killed):
        fit(killed_in(epoch=2), CONFIG, tmp_path / "broken")
    torch.rand(17)  # the new process's generator is somewhere else
    resumed = fit(TASK, CONFIG, tmp_path / "broken", resume=True)
    for (name, expected), actual in zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(expected, actual), name


def test_data_that_changes_during_an_epoch_ends_the_run_before_it_is_kept(tmp_path: Path) -> None:
    answers = iter([None, "train/a.png"])
    data = Data(Batches(CONFIG.batch_size), "0" * 64, find_change=lambda: next(answers))
    with pytest.raises(LabelError, match=r"train/a\.png: it was changed during epoch 2, which is not kept"):
        fit(changed(build_data=lambda config: data), CONFIG, tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1


def test_training_learns_and_leaves_its_record(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path)
    (metric,) = json.loads((tmp_path / "metrics.json").read_text())
    assert metric["value"] > 0.9 and metric["n"] == 64
    facts = json.loads((tmp_path / "environment.json").read_text())
    assert facts["seed"] == 0 and facts["data_sha256"] == "0" * 64 and "torch" in facts["versions"]
    assert list((tmp_path / "curves").rglob("events*"))


def test_a_run_says_first_what_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path / "run")
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"training tiny (classification) on cpu, epochs: 1, run folder: {tmp_path / 'run'}"


def test_the_moving_average_is_what_gets_published(tmp_path: Path) -> None:
    average = fit(TASK, CONFIG, tmp_path)
    loaded = load_model(TASK, CONFIG, tmp_path)
    raw = torch.load(tmp_path / "last.ckpt", weights_only=True)["model"]
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, average.state_dict()[name])
    assert not torch.equal(raw["5.weight"], loaded.state_dict()["5.weight"])


def test_a_short_runs_average_forgets_the_first_weights() -> None:
    """Steps 0, 1, 2, ... 200 at decay 0.999: without the rising decay the average would still be near 18."""
    average, step = torch.zeros(1), build_average_step(0.999)
    for update in range(1, 201):
        step([average], [torch.tensor([float(update)])], update)
    assert 160 < average.item() < 200


def test_a_recipe_chooses_its_precision(tmp_path: Path) -> None:
    seen = []

    def compute_loss(model: Any, batch: Any, config: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.module[5].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
        return TASK.compute_loss(model, batch, config)

    fit(changed(compute_loss=compute_loss), CONFIG.model_copy(update={"precision": "bf16-mixed"}), tmp_path)
    assert set(seen) == {torch.bfloat16}


def test_a_nan_loss_stops_with_advice(tmp_path: Path) -> None:
    broken = changed(compute_loss=lambda model, batch, config: (torch.tensor(torch.nan), {}))
    with pytest.raises(DivergenceError, match=r"step 0.*lower optimizer\.lr"):
        fit(broken, CONFIG, tmp_path)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path)
    with pytest.raises(RecipeError, match="--resume"):
        fit(TASK, CONFIG, tmp_path)
    with pytest.raises(RecipeError, match="differs"):
        fit(TASK, CONFIG.model_copy(update={"epochs": 9}), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name: [", "is not YAML"),
        (b"\xff", "is not UTF-8 text"),
        (b"", "is not a list of fields with values"),
    ],
)
def test_a_broken_recipe_in_a_run_is_named(content: bytes, reason: str, tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path)
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=rf"(?s)recipe\.yaml: .*{reason}.*Remove it to continue"):
        fit(TASK, CONFIG, tmp_path, resume=True)
    (tmp_path / "recipe.yaml").unlink()
    fit(TASK, CONFIG, tmp_path, resume=True)
    assert (tmp_path / "recipe.yaml").exists()


@pytest.mark.parametrize("content", [None, b"", b"[{", b"\xff", b"3", b"[1]", b'[{"name": "x"}]'])
def test_metrics_of_a_run_that_cannot_be_read_are_named_and_measured_again(content: bytes, tmp_path: Path) -> None:
    """A run can end between its last checkpoint and the measurement."""
    fit(TASK, CONFIG, tmp_path)
    before = read_metrics(tmp_path)
    (tmp_path / "metrics.json").unlink()
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(RecipeError, match=r"metrics\.json cannot be read: .*--resume` measures again"):
        read_metrics(tmp_path)
    fit(TASK, CONFIG, tmp_path, resume=True)
    assert read_metrics(tmp_path) == before


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path)
    other = changed(build_model=lambda config: torch.nn.Linear(3, 3))
    with pytest.raises(CheckpointError, match="another architecture"):
        load_model(other, CONFIG, tmp_path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path)
    whole = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        load_model(TASK, CONFIG, tmp_path)


def test_the_rate_warms_up_and_falls_to_its_end() -> None:
    config = Optimizer(lr=1.0, warmup_fraction=0.1, final_lr_fraction=0.01)
    optimizer = build_optimizer(TASK.build_model(CONFIG), config)
    scheduler = build_scheduler(optimizer, config, steps=100)
    rates = []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01, abs=2e-3)


def test_weight_decay_spares_biases_and_normalisation() -> None:
    groups = build_optimizer(TASK.build_model(CONFIG), Optimizer(lr=0.1, weight_decay=0.5)).param_groups
    assert {p.ndim for p in groups[0]["params"]} == {2, 4} and groups[0]["weight_decay"] == 0.5
    assert {p.ndim for p in groups[1]["params"]} == {1} and groups[1]["weight_decay"] == 0


def test_momentum_may_be_plain_as_in_the_papers() -> None:
    model = TASK.build_model(CONFIG)
    assert build_optimizer(model, Optimizer(lr=0.1)).defaults["nesterov"]
    assert not build_optimizer(model, Optimizer(lr=0.1, nesterov=False)).defaults["nesterov"]
    assert not build_optimizer(model, Optimizer(lr=0.1, momentum=0)).defaults["nesterov"]


def test_steps_of_muon_are_orthogonal_and_biases_move_as_with_adamw() -> None:
    torch.manual_seed(0)
    gradient = torch.randn(24, 60)
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    singular = (u.T @ orthogonalise(gradient) @ v.T).diagonal()  # the same singular vectors, their values near 1
    assert singular.min() > 0.6 and singular.max() < 1.25
    assert torch.allclose(orthogonalise(gradient.T), orthogonalise(gradient).T, atol=1e-6)

    models = [torch.nn.Conv2d(3, 8, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, name in zip(models, ["muon", "adamw"], strict=True):
        optimizer = build_optimizer(model, Optimizer(name=name, lr=0.1, weight_decay=0.0))
        model(torch.ones(1, 3, 5, 5)).square().sum().backward()
        optimizer.step()
    assert torch.equal(models[0].bias, models[1].bias)
    assert not torch.equal(models[0].weight, models[1].weight)


def test_a_killed_run_with_muon_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"optimizer": Optimizer(name="muon", lr=0.01)})
    unbroken = fit(TASK, config, tmp_path / "unbroken")
    assert read_metrics(tmp_path / "unbroken")[0].value > 0.9
    with pytest.raises(Killed):
        fit(killed_in(epoch=2), config, tmp_path / "broken")
    resumed = fit(TASK, config, tmp_path / "broken", resume=True)
    for (name, expected), actual in zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(expected, actual), name
