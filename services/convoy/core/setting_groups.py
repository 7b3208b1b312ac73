"""Every setting, in groups. Each field is the environment variable CONVOY_<FIELD>.

A new setting is one field here, with a docstring that says what it does; `make proto` then writes docs/configuration.md
and .env.example anew.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from convoy.core.api import API

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Megabytes = Annotated[int, Field(ge=1, le=1024)]


def _split_folders(value: object) -> object:
    """a:b as two folders; one path as one."""
    if isinstance(value, str):
        return tuple(Path(part) for part in value.split(os.pathsep) if part)
    return (value,) if isinstance(value, Path) else value


Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_folders), Field(min_length=1)]


class Group(BaseSettings):
    """Settings that belong together. The docstring of a group heads its section of docs/configuration.md."""

    model_config = SettingsConfigDict(env_prefix="CONVOY_", extra="ignore", use_attribute_docstrings=True)


class Address(Group):
    """Where a service listens, and how it ends."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the gRPC server; by default the service's own (50051 for classification, then one more for each), 0 for
    any free one."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the Prometheus page; by default the gRPC port + 1000, 0 for any free one."""
    drain_s: float = Field(default=20.0, ge=0.0, le=86_400.0)
    """Seconds that calls have to finish after SIGTERM."""
    reflection: bool = True
    """Whether gRPC reflection is served."""


class Models(Group):
    """Which models answer, and where they come from."""

    models: Folders = (Path("exported_models"),)
    """Model repositories, separated by colons: in each a folder for each model, and in that one for each version. The
    first that has a model's name wins. While it is not set, your own repository, into which `convoy model pull` writes,
    comes last."""
    model_set: str = ""
    """Set of models, as `convoy model pull SET` brings it: they answer where a service's own setting names none."""
    classification_model: str = "cifar10-resnet"
    """Model of the classification service, as name or name:version, where a call names none."""
    detection_model: str = "bccd-yolo"
    """Model of the detection service, as name or name:version, where a call names none."""
    segmentation_model: str = "camvid-unet"
    """Model of the segmentation service, as name or name:version, where a call names none."""
    face_detector: str = "face-detector-nano"
    """Model with which the faces service finds faces, as name or name:version."""
    face_embedder: str = "face-embedder-small"
    """Model with which the faces service embeds faces, as name or name:version."""
    model: str = ""
    """Old name of CONVOY_CLASSIFICATION_MODEL, CONVOY_DETECTION_MODEL and CONVOY_SEGMENTATION_MODEL, for all three at
    once; the new names come first."""
    model_poll_s: float = Field(default=5.0, ge=0.0)
    """Seconds between looks at the model repository for new and changed versions; 0 for none after the start."""
    models_loaded: int | None = Field(default=None, ge=1)
    """Models in memory at most; the one that was asked for longest ago goes. By default all that calls asked for."""
    admin: bool = True
    """Whether callers may load and unload models over gRPC."""


class Work(Group):
    """Which device computes, and how requests wait and gather."""

    device: Literal["auto", "cpu", "cuda", "tensorrt", "openvino"] = "auto"
    """Where graphs run. auto takes the best device that runs the graph; where a named one is missing, the service does
    not start."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Cores to use; by default the container's CPU quota or the machine's cores."""
    max_batch_size: int | None = Field(default=None, ge=1)
    """Most pictures that go through a graph together; by default 32 on a GPU, and on a CPU 4 up to 128x128 pixels,
    else 1."""
    max_queue_delay_s: float = Field(default=0.0, ge=0.0, le=1.0)
    """Seconds that a picture waits for others to share a batch with, although the engine is free."""
    queue_size: int = Field(default=128, ge=1)
    """Most pictures that wait for the engine; one more is refused with RESOURCE_EXHAUSTED."""


class Limits(Group):
    """What a call may bring."""

    max_image_mb: Megabytes = 16
    """Largest encoded picture, in MiB."""
    max_image_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels in a picture, checked before it is decoded."""
    max_images_per_call: int = Field(default=32, ge=1)
    """Most pictures in one call."""
    max_tensor_pixels: int = Field(default=1024 * 1024, ge=1)
    """Most pixels (batch x height x width) in one call of the Open Inference Protocol to a model that takes pictures of
    any size. Twice as many are in such graphs at a time; further calls wait."""
    max_message_mb: Megabytes = 64
    """Largest gRPC message, in MiB."""
    max_connection_age_s: float = Field(default=300.0, ge=1.0, le=1e6)
    """Seconds after which the service asks a client to connect anew, so that it finds replicas that were added."""


class Access(Group):
    """TLS, who may call, and how often."""

    tls_cert: Path | None = None
    """TLS: the server's certificate chain (PEM), or a folder with tls.crt and tls.key; read anew on change."""
    tls_key: Path | None = None
    """The certificate's private key (PEM), or a folder with tls.key; by default tls.key beside tls.crt."""
    tls_client_ca: Path | None = None
    """mTLS: who signs callers' certificates (PEM), or a folder with ca.crt; callers without one are refused."""
    tokens_file: Path | None = None
    """Callers' tokens, hashed, as `convoy token create` writes them; read anew on change. Turns authentication on."""
    jwks_file: Path | None = None
    """Public keys (JWKS) of callers' JWTs (RS256, ES256, EdDSA); read anew on change. Turns authentication on."""
    jwt_issuer: str = ""
    """Issuer (iss) that a JWT must have; needed with CONVOY_JWKS_FILE."""
    jwt_audience: str = ""
    """Audience (aud) that a JWT must name; needed with CONVOY_JWKS_FILE."""
    rate_limit: float = Field(default=0.0, ge=0.0)
    """Calls a second that each caller may make; each message of a stream counts as one. 0 for no limit."""
    rate_limit_burst: int | None = Field(default=None, ge=1)
    """Calls that a caller may make at once after a pause; by default as many as in two seconds."""


class Logs(Group):
    """What a service tells of itself."""

    log: Literal["console", "json"] = "console"
    """How log lines are written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    otlp_endpoint: str = ""
    """Where traces go: the address of an OpenTelemetry collector such as http://collector:4317; empty for nowhere."""


class Galleries(Group):
    """Where recognition keeps people, and what it demands of their photos."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where recognition keeps galleries: a URL that begins with redis://, rediss:// (TLS), unix://, redis+cluster:// or
    redis+sentinel://."""
    redis_wait_aof: bool = False
    """Acknowledge a change only when Redis 7.2 or newer has it on disk (WAITAOF). With appendfsync always it is not
    needed."""
    redis_password_file: Path | None = None
    """File with the password for Redis, so that it does not stand in the URL; read anew when it changes."""
    template_key_file: Path | None = None
    """File with the master keys that seal face templates: one a line, 32 bytes in base64, the current one first."""
    quality_floor: Share = 0.3
    """Register refuses faces of a lower quality, unless the gallery says otherwise."""
    face_score_floor: Share = 0.65
    """Register refuses what the face detector takes for a face with a lower score (NOT_A_FACE). The default suits the
    published detectors, which give a clock or a cell 0.5 to 0.6; 0 refuses nothing."""
    false_positive_identification_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    """How often a search may name somebody who is not in the gallery, where neither the call nor the gallery says it.
    The default is for trying things out with the published embedder; for a door, set 0.01 or less."""
    ambiguity_margin: float = Field(default=0.03, ge=0.0, le=2.0)
    """How much more similar the best match must be than the second person, unless the gallery says otherwise; else the
    decision is AMBIGUOUS."""


class Client(Group):
    """Where the client and the command find the services, and who they say they are. Recognition calls faces so too."""

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
    """Seconds that the client gives a call, repeated tries included."""
    client_tls: bool = False
    """Whether the client, and recognition when it calls faces, speaks TLS; a CA or a certificate turns it on too."""
    client_ca: Path | None = None
    """Who signs the services' certificates (PEM), or a folder with ca.crt; by default those whom gRPC trusts."""
    client_cert: Path | None = None
    """mTLS: the client's certificate chain (PEM), or a folder with tls.crt and tls.key."""
    client_key: Path | None = None
    """The client certificate's private key (PEM); by default tls.key beside tls.crt."""
    client_server_name: str = ""
    """Name that the services' certificates must carry; by default the host of the address."""
    client_token: SecretStr = SecretStr("")
    """Token that the client sends. A file keeps it out of the environment."""
    client_token_file: Path | None = None
    """File with the token that the client sends; read anew on change."""
