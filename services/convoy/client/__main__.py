"""`python -m convoy.client` was the command's name in 0.1; it works for one version more."""

import runpy
import warnings

if __name__ == "__main__":
    warnings.warn("use python -m convoy.cli", DeprecationWarning, stacklevel=2)
    runpy.run_module("convoy.cli", run_name="__main__", alter_sys=True)
