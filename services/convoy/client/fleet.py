"""`convoy.client.fleet` was the name of `convoy.fleet` in 0.1; it works for one version more."""

import warnings
from importlib import import_module

HOME = "convoy.fleet"


def __getattr__(name: str) -> object:
    """What convoy.fleet has, with a warning."""
    home = import_module(HOME)
    if name not in home.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"import {name} from {HOME}", DeprecationWarning, stacklevel=2)
    return getattr(home, name)
