"""`python -m convoy.cli` is the command `convoy`."""

from convoy.cli.app import main

main()
