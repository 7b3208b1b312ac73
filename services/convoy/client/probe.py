"""`python -m convoy.client.probe` was the health check's name in 0.1; it works for one version more."""

import runpy
import warnings

if __name__ == "__main__":
    warnings.warn("use python -m convoy.fleet.health_check", DeprecationWarning, stacklevel=1)
    runpy.run_module("convoy.fleet.health_check", run_name="__main__", alter_sys=True)
