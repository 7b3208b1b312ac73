"""`python -m convoy.client.probe` was the health check's name before 0.2; it goes on working for one version."""

import runpy
import warnings

if __name__ == "__main__":
    warnings.warn("use python -m convoy.fleet.health_check", DeprecationWarning, stacklevel=1)
    runpy.run_module("convoy.fleet.health_check", run_name="__main__", alter_sys=True)
