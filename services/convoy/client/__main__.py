"""`python -m convoy.client` is the command `convoy`."""

from convoy.client.cli import main

main()
