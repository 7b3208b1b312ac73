"""Token buckets, on a clock that the test moves."""

import pytest
from convoy.core.security.rates import MOST_BUCKETS, Rates, host_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_to_ask_for_the_wait_counts_nothing(clock: Clock) -> None:
    rates = Rates(2.0, 1, clock)
    assert rates.wait_s("ada") == 0
    assert rates.take("ada") == 0 and rates.wait_s("ada") == rates.wait_s("ada") == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.wait_s("ada") == 0 and rates.take("ada") == 0


def test_a_burst_then_the_rate(clock: Clock) -> None:
    rates = Rates(2.0, 3, clock)
    assert [rates.take("ada") for _ in range(3)] == [0, 0, 0]
    assert rates.take("ada") == pytest.approx(0.5)
    assert rates.take("bob") == 0
    clock.now += 0.5
    assert rates.take("ada") == 0 and rates.take("ada") > 0
    clock.now += 3600
    assert [rates.take("ada") > 0 for _ in range(4)] == [False, False, False, True]


def test_who_is_refused_pays_nothing(clock: Clock) -> None:
    rates = Rates(1.0, 1, clock)
    rates.take("ada")
    waits = [rates.take("ada") for _ in range(5)]
    assert waits == [waits[0]] * 5


@pytest.mark.parametrize(("per_s", "burst"), [(10.0, 20), (0.1, 1), (0.6, 2)])
def test_the_burst_is_two_seconds_worth(clock: Clock, per_s: float, burst: int) -> None:
    rates = Rates(per_s, None, clock)
    assert [rates.take("ada") > 0 for _ in range(burst + 1)] == [False] * burst + [True]


def test_memory_is_bounded_whoever_calls(clock: Clock) -> None:
    rates = Rates(0.001, 1, clock)
    for number in range(3 * MOST_BUCKETS):
        clock.now += 0.001
        rates.take(f"caller {number}")
    assert len(rates._buckets) <= MOST_BUCKETS
    assert rates.take(f"caller {number}") > 0


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.1:4711", "ipv4:10.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "ipv6:::1"),
        ("ipv6:[2001:db8:1:2:3::4]:4711", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:ffff::9%5D:1", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:3::9%5D:1", "ipv6:2001:db8:1:3::/64"),
        ("ipv6:[::ffff:10.0.0.1]:4711", "ipv4:10.0.0.1"),
        ("ipv6:%5Bfe80::1%2Feth0%5D:1", "ipv6:fe80::1/eth0"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "ipv6:fe80::1%eth0"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_a_peer_is_its_host(peer: str, host: str) -> None:
    assert host_of(peer) == host
