"""What every service shares.

api.py             names, gRPC names and ports of the services
errors.py          what can go wrong, each kind with its status code
names.py           one form of Unicode for names; which names look alike
settings.py        what the environment says
client_settings.py  the part of it that clients read
setting_groups.py  every setting, in groups: add a new one here
model_sets.py      files that name a model for each service
manifest.py        the contract of a model folder
telemetry.py       log lines and metrics
tracing.py         spans
versions.py        which Convoy is installed
turns.py           whose turn it is in queues
machine.py         cores and memory of this machine
pictures/          bytes to pixels, resizing, geometry, suppression
models/            models at run time
security/          TLS, tokens, scopes, rates
serving/           servers, interceptors, statuses: what a servicer is made of
"""
