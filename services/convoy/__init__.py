"""Convoy: a fleet of CNN services."""
