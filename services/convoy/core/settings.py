"""Every CONVOY_* variable, in one class: the only reader of the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    threads: int | None = Field(default=None, ge=1)
    """Cores to use; by default the container's CPU quota or the machine's cores."""

    max_batch_size: int | None = Field(default=None, ge=1)
    """Pictures that go through a graph together at most; by default 4 on CPU, 32 on a GPU."""
    max_queue_delay_s: float = Field(default=0.0, ge=0.0, le=1.0)
    """Seconds that a picture may wait for company although the engine is free."""
    queue_size: int = Field(default=128, ge=1)
    """Pictures that may wait for the engine; one more is refused with RESOURCE_EXHAUSTED."""

    max_image_mb: Megabytes = 16
    """Largest encoded picture, in MiB."""
    max_image_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels in a picture, checked before it is decoded."""
    max_images_per_call: int = Field(default=32, ge=1)
    """Pictures in one call."""
    max_message_mb: Megabytes = 64
    """Largest gRPC message, in MiB."""

    admin: bool = True
    """Whether models can be loaded and unloaded over gRPC."""
    reflection: bool = True
    """Whether gRPC reflection is served."""
    drain_s: float = Field(default=20.0, ge=0.0)
    """Seconds that requests in flight have to finish after SIGTERM."""

    log: Literal["console", "json"] = "console"
    """How log lines are written."""
    otlp_endpoint: str = ""
    """Where traces go: an OpenTelemetry collector's gRPC address such as http://collector:4317; empty for nowhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe lines that are written."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where recognition keeps galleries: redis://, rediss:// (TLS) or unix:// URL."""
    redis_password_file: Path | None = None
    """File with the password for Redis; keeps it out of the URL."""
    classification_address: str = "127.0.0.1:50051"
    """Where the client finds the classification service; a DNS name with several addresses is balanced over."""
    detection_address: str = "127.0.0.1:50052"
    """Where the client finds the detection service."""
    segmentation_address: str = "127.0.0.1:50053"
    """Where the client finds the segmentation service."""
    faces_address: str = "127.0.0.1:50054"
    """Where recognition and the client find the faces service."""
    recognition_address: str = "127.0.0.1:50055"
    """Where the client finds the recognition service."""
    timeout_s: float = Field(default=30.0, gt=0.0)
    """Seconds that the client gives a call, tries and all."""
    quality_floor: Share = 0.3
    """Register refuses faces below this quality score, unless the gallery says otherwise."""
    false_positive_identification_rate: float = Field(default=0.01, gt=0.0, le=1.0)
    """Identify's rate when neither the call nor the gallery gives one."""
    ambiguity_margin: float = Field(default=0.03, ge=0.0, le=2.0)
    """Two people closer than this are not told apart, unless the gallery says otherwise."""
