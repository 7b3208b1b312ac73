"""Every CONVOY_* variable, in one class: the only reader of the environment."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from convoy.core.api import API
from convoy.core.errors import InvalidArgument

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Megabytes = Annotated[int, Field(ge=1, le=1024)]


class Settings(BaseSettings):
    """How one service runs. Each field is the environment variable CONVOY_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="CONVOY_", extra="ignore", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the gRPC server; by default the service's own (50051 to 50055), 0 for any free one."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the Prometheus page; by default the gRPC port + 1000, 0 for any free one."""

    models: Path = Path("exported_models")
    """Folder of the model repository."""
    model: str = ""
    """Default model, as name or name:version; by default the service's own choice (its README says which)."""
    face_detector: str = "face-detector-nano"
    """Face detector of the faces service, as name or name:version."""
    face_embedder: str = "face-embedder-small"
    """Face embedder of the faces service, as name or name:version."""
    model_poll_s: float = Field(default=5.0, ge=0.0)
    """Seconds between looks at the model repository for new versions; 0 turns hot reload off."""
    device: Literal["auto", "cpu", "cuda", "tensorrt", "openvino"] = "auto"
    """Where graphs run. auto takes the best that runs the graph; a named one that cannot be had stops the start."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Cores to use; by default the container's CPU quota or the machine's cores."""

    max_batch_size: int | None = Field(default=None, ge=1)
    """Pictures that go through a graph together at most; by default 32 on a GPU; on a CPU 4 up to 128x128
    pixels, else 1."""
    max_queue_delay_s: float = Field(default=0.0, ge=0.0, le=1.0)
    """Seconds that a picture may wait for company although the engine is free."""
    queue_size: int = Field(default=128, ge=1)
    """Pictures that may wait for the engine; one more is refused with RESOURCE_EXHAUSTED."""

    max_image_mb: Megabytes = 16
    """Largest encoded picture, in MiB."""
    max_image_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels in a picture, checked before it is decoded."""
    max_tensor_pixels: int = Field(default=1024 * 1024, ge=1)
    """Most pixels (batch x height x width) in one call of the tensor door to a model that takes pictures of any size;
    twice as many are in such graphs at a time, what comes on top waits."""
    max_images_per_call: int = Field(default=32, ge=1)
    """Pictures in one call."""
    max_message_mb: Megabytes = 64
    """Largest gRPC message, in MiB."""
    max_connection_age_s: float = Field(default=300.0, ge=1.0, le=1e6)
    """Seconds after which a connection is asked to end, so that its client finds replicas that were added."""

    admin: bool = True
    """Whether models can be loaded and unloaded over gRPC."""
    reflection: bool = True
    """Whether gRPC reflection is served."""
    drain_s: float = Field(default=20.0, ge=0.0, le=86_400.0)
    """Seconds that requests in flight have to finish after SIGTERM."""

    tls_cert: Path | None = None
    """TLS: the server's certificate chain (PEM), or a folder with tls.crt and tls.key; read anew on change."""
    tls_key: Path | None = None
    """The certificate's private key (PEM), or a folder with tls.key; by default tls.key beside tls.crt."""
    tls_client_ca: Path | None = None
    """mTLS: who signs callers' certificates (PEM), or a folder with ca.crt; callers without one are turned away."""
    tokens_file: Path | None = None
    """Callers' tokens, hashed, as `convoy token create` writes them; read anew on change. Turns authentication on."""
    jwks_file: Path | None = None
    """Public keys (JWKS) of callers' JWTs (RS256, ES256, EdDSA); read anew on change. Turns authentication on."""
    jwt_issuer: str = ""
    """Issuer (iss) that a JWT must have; needed with CONVOY_JWKS_FILE."""
    jwt_audience: str = ""
    """Audience (aud) that a JWT must name; needed with CONVOY_JWKS_FILE."""
    rate_limit: float = Field(default=0.0, ge=0.0)
    """Calls a second that each caller may make, messages of streams counted one by one; 0 for no limit."""
    rate_limit_burst: int | None = Field(default=None, ge=1)
    """Calls that a caller may make at once after a rest; by default two seconds' worth."""

    log: Literal["console", "json"] = "console"
    """How log lines are written."""
    otlp_endpoint: str = ""
    """Where traces go: an OpenTelemetry collector's gRPC address such as http://collector:4317; empty for nowhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe lines that are written."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where recognition keeps galleries: a URL of scheme redis, rediss (TLS), unix, redis+cluster or redis+sentinel."""
    redis_wait_aof: bool = False
    """Acknowledge a change only when Redis 7.2 or newer has it on disk (WAITAOF); needless with appendfsync always."""
    redis_password_file: Path | None = None
    """File with the password for Redis, read anew when it changes; keeps it out of the URL."""
    template_key_file: Path | None = None
    """File with the master keys that seal face templates: one a line, 32 bytes in base64, the current one first."""
    classification_address: str = f"127.0.0.1:{API['classification'].port}"
    """Where the client finds the classification service; a DNS name with several addresses is balanced over."""
    detection_address: str = f"127.0.0.1:{API['detection'].port}"
    """Where the client finds the detection service."""
    segmentation_address: str = f"127.0.0.1:{API['segmentation'].port}"
    """Where the client finds the segmentation service."""
    faces_address: str = f"127.0.0.1:{API['faces'].port}"
    """Where recognition and the client find the faces service."""
    recognition_address: str = f"127.0.0.1:{API['recognition'].port}"
    """Where the client finds the recognition service."""
    timeout_s: float = Field(default=30.0, gt=0.0)
    """Seconds that the client gives a call, tries and all."""

    client_tls: bool = False
    """Whether the client, and recognition towards faces, speaks TLS; a CA or a certificate turns it on too."""
    client_ca: Path | None = None
    """Who signs the servers' certificates (PEM), or a folder with ca.crt; by default those that gRPC trusts."""
    client_cert: Path | None = None
    """mTLS: the client's certificate chain (PEM), or a folder with tls.crt and tls.key."""
    client_key: Path | None = None
    """The client certificate's private key (PEM); by default tls.key beside tls.crt."""
    client_server_name: str = ""
    """Name that the servers' certificates must carry; by default the host of the address."""
    client_token: SecretStr = SecretStr("")
    """Token that the client sends; a file keeps it out of the environment."""
    client_token_file: Path | None = None
    """File with the token that the client sends; read anew on change."""
    quality_floor: Share = 0.3
    """Register refuses faces below this quality score, unless the gallery says otherwise."""
    false_positive_identification_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    """Identify's rate when neither the call nor the gallery gives one. Right for trying things out with the published
    embedder; for a door, set 0.01 or less."""
    ambiguity_margin: float = Field(default=0.03, ge=0.0, le=2.0)
    """Two people closer than this are not told apart, unless the gallery says otherwise."""


def read_settings() -> Settings:
    """What the environment says. Raises InvalidArgument(BAD_ARGUMENT), with every variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (f"CONVOY_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg']}" for e in error.errors())
        raise InvalidArgument("BAD_ARGUMENT", "; ".join(problems)) from None


def misspelt_variables() -> dict[str, str]:
    """CONVOY_* variables that nobody reads but that look much like one that is read, each with that one.

    Others are left alone: clients have their own, and Kubernetes sets CONVOY_FACES_SERVICE_HOST and its like.
    """
    known = {f"CONVOY_{field.upper()}" for field in Settings.model_fields}
    strangers = (name for name in os.environ if name.startswith("CONVOY_") and name not in known)
    close = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.9) for name in strangers}
    return {name: matches[0] for name, matches in close.items() if matches}
