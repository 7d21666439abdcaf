"""Everything that the environment can change, read once at an entry point into one frozen value.

Knows names, types and defaults. What a setting does is up to the room that asks for it.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from poc.errors import InvalidSettings
from poc.online_store.naming import keyspace_fault

_OPENING = """# Settings

Environment variables, also read from a `.env` file in the working directory. Written by
`python scripts/write_docs.py` from `poc/settings.py`.
"""


# What Kubernetes puts into every pod for a service of that name: `CASSANDRA_PORT=tcp://10.0.0.5:9042`.
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://\S+")
_ON_OFF = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
_LOOPBACK = "localhost,127.0.0.1,::1"


def _read(change: Callable[[str], object]) -> BeforeValidator:
    """Change the text that the environment has for a field; a value that a caller gives stays as it is."""
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not hosts:
        raise ValueError("name at least one host")
    return hosts


def _model_name(text: str) -> str:
    if not text.strip() or "/" in text or ":" in text:
        raise ValueError("MLflow takes a name without / and :")
    return text


def _model_alias(text: str) -> str:
    if not re.fullmatch(r"[\w-]{1,255}", text) or re.fullmatch(r"(?i)latest|v\d+", text):
        raise ValueError("MLflow takes letters, digits, _ and -, but neither `latest` nor a `v1`")
    return text


def _keyspace(text: str) -> str:
    fault = keyspace_fault(text)
    if fault is not None:
        raise ValueError(f"that is {fault}")
    return text


_LOWER, _UPPER = _read(str.lower), _read(str.upper)
_SWITCH = _read(lambda text: _ON_OFF.get(text.lower(), text.lower()))
_WORDS = _read(lambda text: tuple(text.lower().replace(",", " ").split()))
_EMPTY_IS_NOT_SET = _read(lambda text: text or None)

Port = Annotated[int, Field(ge=1, le=65535)]
# Seconds.
Interval = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """What the environment says, one field a variable of the same name in capitals.

    Relative paths are relative to the working directory: the scripts run from the project's folder.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        # A mark at the beginning, as Windows' editors leave it, is no letter of the first name.
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    feast_repo_path: Path = Path("feature_repo")
    """Folder of feature_store.yaml and features.py."""
    feast_fs_yaml_file_path: Path | None = None
    """Another feature_store.yaml, for example one of feature_repo/stores/."""
    feature_service: str = "fraud_detection_v1"
    """Feast feature service that names the model's features."""
    cassandra_hosts: Annotated[tuple[str, ...] | None, NoDecode, _read(_hosts)] = None
    """Cassandra contact points, comma-separated; instead of the yaml's."""
    cassandra_port: Port | None = None
    """CQL port of those; instead of the yaml's."""
    cassandra_username: Annotated[str | None, _EMPTY_IS_NOT_SET] = None
    """User for password authentication, where the yaml names none."""
    cassandra_password: Annotated[SecretStr | None, _EMPTY_IS_NOT_SET] = None
    """That user's password."""
    cassandra_password_file: Annotated[Path | None, _EMPTY_IS_NOT_SET] = None
    """File that holds that password, as a mounted secret does; instead of the variable."""
    cassandra_dir: Path = Path(".cassandra")
    """Files of the embedded Cassandra: data, logs, pids."""
    direct_keyspace: Annotated[str, _read(_keyspace)] = "ml_features"
    """Keyspace of the table that is read without Feast."""
    feature_timeout_seconds: float = Field(1.0, gt=0, le=60)
    """Longest a request waits for its features before it answers 503."""
    feature_server_url: str = Field("http://localhost:6566", pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    """Where `feast serve` answers that poc/serve_model_remote.py reads features from."""
    feature_driver: Annotated[Literal["auto", "acsylla", "cassandra-driver"], _LOWER] = "auto"
    """What a server reads Cassandra with; auto takes acsylla where it is installed."""
    stale_features: Annotated[Literal["serve", "refuse"], _LOWER] = "serve"
    """Values older than the view's ttl: serve them marked stale, or answer 503."""
    registry_code: Annotated[Literal["refuse", "run"], _LOWER] = "refuse"
    """Functions of on-demand and stream views, pickled in the registry: a server refuses or runs them."""
    console: Annotated[Literal["on", "off"], _SWITCH] = "on"
    """Whether a server has the page at / and its routes under /console."""
    registry_refresh_seconds: Interval = 15.0
    """How often a server looks for changed features in Feast's registry."""
    model_refresh_seconds: Interval = 15.0
    """How often a server looks for another version under the alias."""
    metrics_refresh_seconds: Interval = 15.0
    """How often a server reads the online store's state for /metrics."""
    max_concurrent_requests: int = Field(100, ge=1, le=100_000)
    """Requests for predictions that a process has in hand at a time; more are answered 503 at once."""
    requests_per_second: float | None = Field(None, gt=0, le=1_000_000)
    """Requests a second that a key, or without keys an address, may make of a process; more get 429."""
    keep_alive_seconds: int = Field(75, ge=1, le=3600)
    """How long a server keeps an idle connection; longer than a balancer in front of it does, often 60 s."""
    shutdown_grace_seconds: float = Field(1.0, ge=0, le=300)
    """How long /ready answers 503 before a stopping server stops listening."""
    workers: int = Field(1, ge=1, le=64)
    """Processes that a server answers with; each has its own connections."""
    host: str = "127.0.0.1"
    """Address the servers listen on."""
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.~-]+)*$")] = ""
    """Prefix that a proxy in front of a server strips from paths, where it sends no X-Forwarded-Prefix."""
    api_keys: SecretStr | None = None
    """Keys, comma-separated, one of which a request has to bring; `off` for none. Needed beyond loopback."""
    api_keys_file: Path | None = None
    """File with a key a line, for the server's eyes only; a mounted Secret, too. Instead of the variable."""
    open_without_key: Annotated[tuple[Literal["metrics", "docs", "console"], ...], NoDecode, _WORDS] = ()
    """What needs no key, comma-separated: metrics, docs, console. /live and /ready never need one."""
    tls_certificate: FilePath | None = None
    """PEM file of a certificate, and of those that vouch for it, with which a server speaks HTTPS."""
    tls_key: FilePath | None = None
    """PEM file of its key."""
    port: Port | None = None
    """Port; when not set 8000 with Feast, 8001 without, 8002 with a feature server."""
    prometheus_port: Port = 9090
    """Where the Prometheus of `make monitor` listens."""
    grafana_port: Port = 3000
    """Where its Grafana listens, which is started where Docker is."""
    mlflow_tracking_uri: str = "sqlite:///data/mlflow.db"
    """MLflow tracking store and model registry."""
    model_name: Annotated[str, _read(_model_name)] = "fraud_detection"
    """Registered model that is served."""
    model_alias: Annotated[str, _read(_model_alias)] = "champion"
    """Alias of the version that is served."""
    data_dir: Path = Path("data")
    """Folder of the Parquet, the pictures, MLflow's files."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _UPPER] = "INFO"
    """Least level that is logged."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_service_links(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if not (name.endswith("port") and isinstance(value, str) and _SERVICE_LINK.fullmatch(value))
        }


class _PartlyUnfit(Settings):
    """Settings some of which do not fit: who reads one of those gets `InvalidSettings`, and nobody else."""

    _problems: dict[str, str] = PrivateAttr(default_factory=dict)

    def __getattribute__(self, name: str) -> Any:
        if name in Settings.model_fields and name in self._problems:
            raise InvalidSettings([self._problems[name]])
        return super().__getattribute__(name)


def load_settings() -> Settings:
    """Read the environment and `.env`.

    A variable that does not fit raises `InvalidSettings` when it is read. From here on no proxy comes between
    this process and others of this machine.

    Raises InvalidSettings: `.env` cannot be read.
    """
    _leave_out_proxies()
    try:
        return Settings()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidSettings([f".env is not UTF-8 (line {line}): save it as UTF-8"]) from error
    except OSError as error:
        raise InvalidSettings([f".env cannot be read: {error.strerror or error}"]) from error
    except ValidationError as error:
        problems = {
            str(item["loc"][0]): f"{str(item['loc'][0]).upper()}={item['input']!r}: {item['msg']}"
            for item in error.errors()
        }
    # What is given goes before what the environment says.
    defaults = {name: Settings.model_fields[name].default for name in problems}
    partly = _PartlyUnfit(**defaults)
    partly._problems.update(problems)
    return partly


def _leave_out_proxies() -> None:
    # Who reads one of the two spellings does not read the other.
    stated = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = [host.strip() for text in (*stated, _LOOPBACK) for host in text.split(",")]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys(filter(None, hosts)))


def require_fitting(settings: Settings, *unused: str) -> None:
    """Raise `InvalidSettings` unless every setting but `unused` fits: for what reads them all, some late."""
    problems = getattr(settings, "_problems", {})
    found = [problem for name, problem in problems.items() if name not in unused]
    if found:
        raise InvalidSettings(found)


def settings_page() -> str:
    """Write docs/settings.md: every setting with its default."""
    rows = ["", "| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", ()) else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return _OPENING + "\n".join(rows) + "\n"
