"""Everyday questions are answered two clicks from the README: its first page leads to each answer."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "index.md"
# Words of the question, and what its answer must hold.
QUESTIONS = {
    "change a threshold": ["--fpir", "detection_threshold"],
    "second camera": ["token", "thread"],
    "no gallery named": ["convoy gallery create", "convoy gallery list", "--fleet"],
    "delete a person": ["GDPR", "Consent", "Purpose", "Retention", "Access", "Erasure", "Audit", "AI Act", "BIPA"],
    "back up": ["scripts/backup.sh", "scripts/restore.sh"],
    "GPU": ["compose.gpu.yaml", "CONVOY_DEVICE"],
    "YOLO": ["yolo export", "convoy model import"],
    "fine-tune": ["start_from", "weights"],
    "three replicas": ["--scale", "round_robin"],
    "TLS from nothing": ["make_test_ca.sh", "CONVOY_CLIENT_CA"],
    "watch it": ["Prometheus", "Grafana", "rules.yml"],
    "latency": ["p50", "p99", "CPU", "cifar10-resnet:1", "camvid-unet:1"],
    "largest picture": ["CONVOY_MAX_IMAGE_PIXELS", "IMAGE_TOO_LARGE"],
    "formats": ["JPEG", "HEIC", "TIFF"],
    "upgrade": ["0.1.0"],
}


def anchor(title: str) -> str:
    """The anchor of a heading, as the site and the forge make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def answer(link: str) -> str:
    """What a link of the first page leads to: a page, or one section of it with what belongs to it."""
    path, _, wanted = link.partition("#")
    text = (INDEX.parent / path).read_text()
    if not wanted:
        return text
    parts = re.split(r"^(#+) (.+)$", text, flags=re.MULTILINE)
    levels, titles, bodies = parts[1::3], parts[2::3], parts[3::3]
    first = [anchor(title) for title in titles].index(wanted)
    last = next((i for i in range(first + 1, len(levels)) if len(levels[i]) <= len(levels[first])), len(levels))
    return "".join(bodies[first:last])


def test_the_readme_leads_to_the_first_page() -> None:
    assert "](docs/index.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_where_the_first_page_says(question: str) -> None:
    rows = [line for line in INDEX.read_text().splitlines() if line.startswith("|") and question in line.split("|")[1]]
    assert len(rows) == 1
    (first, *_) = re.findall(r"\]\(([^)]+)\)", rows[0])
    found = answer(first)
    assert [word for word in QUESTIONS[question] if word not in found] == []
