"""scripts/make_test_ca.sh makes what the TLS page says: OpenSSL and gRPC's own reader judge it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_test_ca.sh"


def test_the_certificate_is_signed_names_its_hosts_and_is_not_replaced(tmp_path: Path) -> None:
    made = subprocess.run([SCRIPT, tmp_path / "c", "door.example"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    words = [
        "openssl",
        "verify",
        "-verify_hostname",
        "door.example",
        "-CAfile",
        tmp_path / "c/ca.crt",
        tmp_path / "c/tls.crt",
    ]
    assert subprocess.run(words, capture_output=True).returncode == 0
    words[3] = "other.example"
    assert subprocess.run(words, capture_output=True).returncode != 0
    assert (tmp_path / "c" / "tls.key").stat().st_mode & 0o077 == 0
    before = (tmp_path / "c" / "tls.key").read_bytes()
    again = subprocess.run([SCRIPT, tmp_path / "c"], capture_output=True, text=True)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert (tmp_path / "c" / "tls.key").read_bytes() == before
