"""Secrets of others that lie beside a service's own."""

from pathlib import Path

from convoy.core.settings import Settings

TOKENS = "*.token"


def find_others(settings: Settings) -> list[str]:
    """Names of files with tokens of others, in the folders of this service's own secrets."""
    own = {path.absolute() for path in (settings.client_token_file, settings.tokens_file) if path}
    kept = (settings.tokens_file, settings.client_token_file, settings.tls_cert)
    folders = {path if path.is_dir() else path.parent for path in kept if path}
    return sorted(path.name for folder in folders for path in _tokens(folder) if path.absolute() not in own)


def _tokens(folder: Path) -> list[Path]:
    try:
        return list(folder.glob(TOKENS))
    except OSError:
        return []
