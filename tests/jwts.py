"""An identity provider for tests: keys, their JWKS file, and tokens."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER, AUDIENCE = "https://login.example", "convoy"


def make_key(algorithm: str) -> Any:
    """A private key for RS256, ES256, ES384 or EdDSA."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}[algorithm])


def public_jwk(key: Any, algorithm: str, key_id: str) -> dict[str, Any]:
    """The public half of a key as JWK."""
    document: dict[str, Any] = json.loads(get_default_algorithms()[algorithm].to_jwk(key.public_key()))
    return document | {"kid": key_id, "use": "sig"}


class Provider:
    """Signs with one key of each kind; `write` publishes them."""

    def __init__(self) -> None:
        self.keys = {name: make_key(name) for name in ("RS256", "ES256", "EdDSA")}

    def write(self, path: Path) -> Path:
        """The JWKS file; the key's id is its algorithm."""
        path.write_text(json.dumps({"keys": [public_jwk(key, name, name) for name, key in self.keys.items()]}))
        return path

    def token(self, algorithm: str = "ES256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good but for what is given; None takes a claim away."""
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 600, "scope": "classification"}
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        header = {"kid": algorithm} if headers is None else headers
        return jwt.encode(said, self.keys[algorithm], algorithm, headers=header)
