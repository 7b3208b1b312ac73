"""Which calls may go through a proxy of the environment (http_proxy), and which never do."""


def is_near(address: str) -> bool:
    """Whether an address is one of this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")
