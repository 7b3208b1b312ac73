"""Turns answers of the client into JSON."""

from convoy.client.answers.answer import Document, to_document

__all__ = ["Document", "to_document"]
