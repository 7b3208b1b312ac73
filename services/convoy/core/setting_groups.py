"""Every setting, in groups. Each field is the environment variable CONVOY_<FIELD>.

A new setting is one field here, with a docstring that says what it does. `make proto` then updates
docs/configuration.md and .env.example.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from convoy.core.client_settings import ClientSettings

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Megabytes = Annotated[int, Field(ge=1, le=1024)]


def _split_folders(value: object) -> object:
    """Split a:b into two folders; a single path is one folder."""
    if isinstance(value, str):
        return tuple(Path(part) for part in value.split(os.pathsep) if part)
    return (value,) if isinstance(value, Path) else value


Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_folders), Field(min_length=1)]


class Group(BaseSettings):
    """Settings that belong together. A group's docstring opens its section of docs/configuration.md."""

    model_config = SettingsConfigDict(env_prefix="CONVOY_", extra="ignore", use_attribute_docstrings=True)


class Address(Group):
    """Where a service listens, and how it stops."""

    host: str = "127.0.0.1"
    """Address on which the service listens. Use 0.0.0.0 in a container, :: for IPv6 too, or unix:/path for a Unix
    socket. With a Unix socket the metrics page listens on 127.0.0.1."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the gRPC server. 0 takes any free one. By default classification has 50051, and detection, segmentation,
    faces, recognition and imaging have the next ones, in this order. The web door has 8080."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the Prometheus page. By default it is the gRPC port + 1000. 0 takes any free one."""
    drain_s: float = Field(default=20.0, ge=0.0, le=86_400.0)
    """Seconds that running calls have to finish after SIGTERM."""
    reflection: bool = True
    """Whether the service answers gRPC reflection."""


class Models(Group):
    """Which models answer, and where they come from."""

    models: Folders = (Path("exported_models"),)
    """Model repositories, separated by colons. A repository has a folder for each model, with a folder for each version
    in it. If two repositories have the same model, the first one wins. If you do not set this, your own repository,
    into which `convoy model pull` writes, comes last."""
    model_set: str = ""
    """Set of models, from `convoy model pull SET`. A service uses the set's model if its own setting names none."""
    classification_model: str = "cifar10-resnet"
    """Model of the classification service for calls that name none, as name or name:version."""
    detection_model: str = "bccd-yolo"
    """Model of the detection service for calls that name none, as name or name:version."""
    segmentation_model: str = "camvid-unet"
    """Model of the segmentation service for calls that name none, as name or name:version."""
    imaging_model: str = "kernels-sharpen"
    """Model of the imaging service for calls that name none, as name or name:version. If you do not set it and no
    repository has that model, the service starts all the same, and calls must name a model."""
    face_detector: str = "face-detector-nano"
    """Model with which the faces service finds faces, as name or name:version."""
    face_embedder: str = "face-embedder"
    """Model with which the faces service embeds faces for calls that name none, as name or name:version. New galleries
    get it. A gallery that another embedder made keeps that one as long as its folder is there: the service loads it
    when a call first needs it."""
    face_likeness: bool = True
    """Whether the faces service gives a second opinion on what the detector found (FaceQuality.likeness, visibility).
    Turn it off for faces that are not those of people."""
    face_liveness: str = ""
    """Networks that say how surely a face is a living person rather than a print, a screen or a mask. They are
    classifiers of faces, as name or name:version, imported with --face-crop. With several, separated by commas, their
    mean counts. If you name none, Face.liveness is unset, and calls that set min_liveness fail."""
    face_liveness_label: str = "live"
    """The label of these networks that means a living person."""
    face_attributes: str = ""
    """Further classifiers of faces, separated by commas, such as one for masks or age. Face.attributes has the answer
    of each."""
    model: str = ""
    """Old name for CONVOY_CLASSIFICATION_MODEL, CONVOY_DETECTION_MODEL and CONVOY_SEGMENTATION_MODEL together. A new
    name takes precedence."""
    model_poll_s: float = Field(default=5.0, ge=0.0)
    """Seconds between looks at the model repository for new and changed versions. With 0 the service looks only when it
    starts."""
    models_loaded: int | None = Field(default=None, ge=1)
    """Most models in memory. If there would be more, a service unloads the one that has gone unused for longest. By
    default it keeps all that calls asked for."""
    admin: bool | None = None
    """Whether callers may load and unload models over gRPC. By default they may if tokens are on and theirs has the
    scope models:admin. A service on 127.0.0.1 is no exception, because a proxy on that machine brings strangers in."""


def _split_names(value: object) -> object:
    """Split "a, b" into two names."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
DoorName = Literal["compreface", "deepstack", "rekognition"]
DoorNames = Annotated[tuple[DoorName, ...], NoDecode, BeforeValidator(_split_names)]


class Web(Group):
    """The web door, `convoy serve web`: HTTP/JSON and the console. It listens at CONVOY_HOST and CONVOY_PORT."""

    web_hosts: Names = ()
    """Names by which clients call the web door, without ports, separated by commas. The door also
    answers to the names of loopback and to the address that the client reached. It answers to no other name, so that no
    web page reaches it under a name of its own."""
    web_origins: Names = ()
    """Other sites whose pages may call the web door (CORS), such as https://intranet.example, separated by commas."""
    web_proxies: Names = ()
    """Addresses or networks of the reverse proxies before the web door, such as 10.0.0.0/8, separated by commas. The
    door believes X-Forwarded-For from these alone."""
    door_secret: SecretStr = SecretStr("")
    """A secret that the web door and the services share. It has at least 32 characters. With it a service believes the
    web door when it says for which client it calls, so that limits count clients. Without it the limits count the web
    door as one client."""


class Doors(Group):
    """Doors of the web door for clients of other systems: see [doors](doors.md). They are off unless you name them."""

    web_doors: DoorNames = ()
    """The doors to open, separated by commas: compreface, deepstack (CodeProject.AI too), rekognition. A key is
    a token, and the one gallery among its scopes is what the client works on; the web door reads CONVOY_TOKENS_FILE."""
    compreface_port: int | None = Field(default=None, ge=0, le=65535)
    """A port of its own for the CompreFace door, for clients that know only host and port. 0 takes any free one."""
    deepstack_port: int | None = Field(default=None, ge=0, le=65535)
    """The same for the DeepStack door. Its clients expect 5000 or 32168."""
    rekognition_port: int | None = Field(default=None, ge=0, le=65535)
    """The same for the Rekognition door."""
    doors_gallery: str = ""
    """The gallery of clients whose key names none, because its token has the scope of every gallery. Where the web door
    has no CONVOY_TOKENS_FILE, it is the only gallery that the doors open. By default there is none."""
    deepstack_token_file: Path | None = None
    """A file with the token of DeepStack's clients that send no key. Such a door listens on loopback alone."""
    doors_without_keys: bool = False
    """Whether a door whose clients need no key may listen beyond loopback: whoever reaches the port may then use it."""


class Work(Group):
    """Which device runs models, and how requests wait and form batches."""

    device: Literal["auto", "cpu", "cuda", "tensorrt", "openvino"] = "auto"
    """Where graphs run. auto takes the best device that can run the graph. If you name a device that is missing, the
    service does not start."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Cores that the service uses. By default it uses the container's CPU quota, or the machine's cores."""
    max_batch_size: int | None = Field(default=None, ge=1)
    """Most pictures in a batch. The default is 32 on a GPU. On a CPU it is 4 if the graph takes up to 128x128 pixels,
    and otherwise 1."""
    max_queue_delay_s: float = Field(default=0.0, ge=0.0, le=1.0)
    """Seconds for which a picture waits for others to join its batch although the engine is free."""
    queue_size: int = Field(default=128, ge=1)
    """Most pictures that wait for the engine. The service refuses further ones with RESOURCE_EXHAUSTED."""


class Limits(Group):
    """What a call may send."""

    max_image_mb: Megabytes = 16
    """Largest encoded picture, in MiB."""
    max_image_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels in a picture. The service checks this before it decodes the picture."""
    max_images_per_call: int = Field(default=32, ge=1)
    """Most pictures in one call."""
    max_volume_slices: int = Field(default=1024, ge=2)
    """Most slices of a volume in one call."""
    max_tensor_pixels: int = Field(default=1024 * 1024, ge=1)
    """Most pixels (batch x height x width) in one call of the Open Inference Protocol to a model that takes pictures of
    any size. Such a model processes at most twice as many pixels at a time, and further calls wait."""
    max_message_mb: Megabytes = ClientSettings.max_message_mb
    """Largest gRPC message, in MiB."""
    message_memory_mb: int | None = Field(default=None, ge=1)
    """Memory for messages that arrive or are in work, in MiB. Each message counts four times its size. Further ones
    wait until their deadline, or for 10 seconds. The default is a quarter of what the container, or the machine, lets
    the service use."""
    max_connections: int = Field(default=2000, ge=1)
    """Most connections at a time. The service hangs up on further ones."""
    reset_limit: float = Field(default=100.0, ge=0.0)
    """How many streams of one host may fail in a second. A service on Linux acts on more, if most calls reach no
    handler and three quarters of the host's streams fail: it cuts off the connections that do so, and lets the host
    make none for a minute. 0 sets no limit."""
    max_connection_age_s: float = Field(default=300.0, ge=1.0, le=1e6)
    """Seconds after which the service asks a client to reconnect, so that it finds new replicas."""


class Access(Group):
    """TLS, who may call, and how often."""

    tls_cert: Path | None = None
    """The server's certificate chain for TLS (PEM), or a folder with tls.crt and tls.key. The service reads it again
    when it changes."""
    tls_key: Path | None = None
    """The certificate's private key (PEM), or a folder with tls.key. By default it is tls.key beside tls.crt."""
    tls_client_ca: Path | None = None
    """For mTLS: certificates (PEM) of those who sign callers' certificates, or a folder with ca.crt. The service
    refuses callers without a certificate."""
    tokens_file: Path | None = None
    """Hashes of callers' tokens, as `convoy token create` writes them. The file turns authentication on. The service
    reads it again when it changes."""
    jwks_file: Path | None = None
    """Public keys (JWKS) of callers' JWTs (RS256, ES256, EdDSA). The file turns authentication on. The service reads it
    again when it changes."""
    jwt_issuer: str = ""
    """Issuer (iss) that a JWT must have. CONVOY_JWKS_FILE needs it."""
    jwt_audience: str = ""
    """Audience (aud) that a JWT must name. CONVOY_JWKS_FILE needs it."""
    rate_limit: float = Field(default=0.0, ge=0.0)
    """Calls that each caller may make in a second. Each message of a stream counts as one. 0 sets no limit."""
    rate_limit_burst: int | None = Field(default=None, ge=1)
    """Calls that a caller may make at once after a pause. By default these are as many as in two seconds."""


class Logs(Group):
    """How a service writes logs and where it sends traces."""

    log: Literal["console", "json"] = "console"
    """How log lines are written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that the service logs."""
    log_calls_per_s: float = Field(default=20.0, ge=0.0)
    """Most lines in a second about calls of one method that end with the same status and reason. The next line counts
    those that the service left out (`unlogged`). An internal error always has a line. 0 logs every call. A line has
    about 250 bytes."""
    otlp_endpoint: str = ""
    """Address of an OpenTelemetry collector that receives traces, such as http://collector:4317. Without it the service
    sends none."""


class Galleries(Group):
    """Where recognition keeps people, and what it demands of photos and matches."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where recognition keeps galleries: a URL that begins with redis://, rediss:// (TLS), unix://, redis+cluster:// or
    redis+sentinel://."""
    redis_wait_aof: bool = False
    """Whether recognition acknowledges a change only when Redis 7.2 or newer has it on disk (WAITAOF). You do not need
    it with appendfsync always."""
    redis_wait_replicas: int = Field(default=0, ge=0)
    """How many followers of Redis must have a change before recognition acknowledges it (WAIT; with
    CONVOY_REDIS_WAIT_AOF they must have it on disk). If fewer have it, the call ends with NOT_REPLICATED. Set it to 1
    where sentinels or a cluster may fail over."""
    redis_password_file: Path | None = None
    """File with the password for Redis, so that the URL does not show it. Recognition reads it again when it changes.
    """
    erasure_journal: Path | None = None
    """File to which recognition appends the ids and times of what it deletes, before it answers. Keep it outside of
    Redis's volume. After a restore it tells you whom the backup brought back."""
    template_key_file: Path | None = None
    """File with the master keys that seal face templates. Each line has one key of 32 bytes in base64, the current one
    first."""
    quality_floor: Share = 0.3
    """Lowest quality of a face that you may register, unless the gallery says otherwise."""
    face_score_floor: Share = 0.65
    """Lowest score of the face detector with which you may register a face. Register refuses others (NOT_A_FACE). The
    default suits the published detectors, which give a clock or a cell 0.5 to 0.6. 0 refuses nothing."""
    face_likeness_floor: Share = 0.5
    """Lowest likeness of a face that you may register, if the faces service judges it (CONVOY_FACE_LIKENESS). Register
    refuses others (NOT_A_FACE). 0 refuses nothing."""
    false_positive_identification_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    """How often a search may name somebody who is not in the gallery, unless the call or the gallery says otherwise.
    The default suits a trial of the published embedder; for access control at a door, set 0.01 or less."""
    rate_unit: Literal["picture", "face"] = "picture"
    """Whether a rate of false names is that of a picture of strangers or that of each stranger's face, unless the call
    or the gallery says otherwise. For one face the two are equal."""
    miss_rate_limit: Share = 0.2
    """How often a search may be expected to miss somebody who is in the gallery. Beyond it the gallery is outgrown. The
    status, the log and the metrics say so, and they warn at 80 % of that size."""
    ambiguity_margin: float = Field(default=0.03, ge=0.0, le=2.0)
    """How much more similar than the second person the best match must be, unless the gallery says otherwise.
    If the difference is smaller, the decision is AMBIGUOUS."""


class Client(Group):
    """Where the client and the command line find the services, and how they authenticate. Recognition uses these
    settings to call faces."""

    classification_address: str = ClientSettings.classification_address
    """Where the client finds the classification service, and recognition for collections of things. Calls spread over
    all addresses of a DNS name."""
    detection_address: str = ClientSettings.detection_address
    """Where the client finds the detection service."""
    segmentation_address: str = ClientSettings.segmentation_address
    """Where the client finds the segmentation service."""
    faces_address: str = ClientSettings.faces_address
    """Where recognition and the client find the faces service."""
    recognition_address: str = ClientSettings.recognition_address
    """Where the client finds the recognition service."""
    imaging_address: str = ClientSettings.imaging_address
    """Where the client finds the imaging service."""
    timeout_s: float = Field(default=ClientSettings.timeout_s, gt=0.0)
    """Seconds that the client gives a call, including retries."""
    client_tls: bool = False
    """Whether the client uses TLS, and recognition when it calls faces. A CA or a certificate turns it on too."""
    client_ca: Path | None = None
    """Certificates (PEM) of those who sign the services' certificates, or a folder with ca.crt. By default the client
    trusts whom gRPC trusts."""
    client_cert: Path | None = None
    """For mTLS: the client's certificate chain (PEM), or a folder with tls.crt and tls.key."""
    client_key: Path | None = None
    """The client certificate's private key (PEM). By default it is tls.key beside tls.crt."""
    client_server_name: str = ""
    """Name that the services' certificates must carry. By default it is the host of the address."""
    client_token: SecretStr = SecretStr("")
    """Token that the client sends. CONVOY_CLIENT_TOKEN_FILE keeps it out of the environment."""
    client_token_file: Path | None = None
    """File with the token that the client sends. The client reads it again when it changes."""
