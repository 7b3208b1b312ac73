"""Which calls may go through a proxy of the environment (http_proxy), and which never do."""

import os


def is_near(address: str) -> bool:
    """Whether an address is one of this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def proxy() -> str:
    """The proxy of the environment that gRPC uses for calls beyond this machine; empty for none."""
    names = ("grpc_proxy", "https_proxy", "http_proxy")
    return next((value for name in names if (value := os.environ.get(name, ""))), "")
