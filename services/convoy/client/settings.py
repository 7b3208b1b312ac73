"""The client's settings. Where the environment is plain, reading them imports no pydantic."""

from convoy.core.client_settings import ClientSettings, read_plain


def read_client_settings() -> ClientSettings:
    """Read the environment. Raises InvalidArgument(BAD_ARGUMENT), which names every wrong variable."""
    plain = read_plain()
    if plain is not None:
        return plain
    from convoy.core.settings import read_settings

    return read_settings().of_client
