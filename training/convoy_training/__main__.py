"""Starts `convoy-train`. Each command loads what takes seconds to load itself, so that `--help` is quick."""

from __future__ import annotations

from convoy_training.loading import loading


def main() -> None:
    """Runs the command."""
    with loading():
        from convoy_training.cli import main as run

    run()


if __name__ == "__main__":
    main()
