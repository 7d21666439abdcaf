"""Everything that the environment can change, read once at an entry point into one frozen value.

Knows names, types and defaults. What a setting does is up to the room that asks for it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from poc.errors import InvalidSettings

_OPENING = """# Settings

Environment variables, also read from a `.env` file in the working directory. Written by
`python scripts/write_docs.py` from `poc/settings.py`.
"""


Port = Annotated[int, Field(ge=1, le=65535)]
# Seconds.
Interval = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """What the environment says, one field a variable of the same name in capitals.

    Relative paths are relative to the working directory: the scripts run from the project's folder.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", extra="ignore", use_attribute_docstrings=True
    )

    feast_repo_path: Path = Path("feature_repo")
    """Folder of feature_store.yaml and features.py."""
    feast_fs_yaml_file_path: Path | None = None
    """Another feature_store.yaml, for example one of feature_repo/stores/."""
    feature_service: str = "fraud_detection_v1"
    """Feast feature service that names the model's features."""
    cassandra_hosts: Annotated[tuple[str, ...] | None, NoDecode] = None
    """Cassandra contact points, comma-separated; instead of the yaml's."""
    cassandra_port: Port | None = None
    """CQL port of those; instead of the yaml's."""
    cassandra_username: str | None = None
    """User for password authentication, where the yaml names none."""
    cassandra_password: SecretStr | None = None
    """That user's password."""
    cassandra_password_file: Path | None = None
    """File that holds that password, as a mounted secret does; instead of the variable."""
    cassandra_dir: Path = Path(".cassandra")
    """Files of the embedded Cassandra: data, logs, pids."""
    direct_keyspace: str = "ml_features"
    """Keyspace of the table that is read without Feast."""
    feature_timeout_seconds: float = Field(1.0, gt=0, le=60)
    """Longest a request waits for its features before it answers 503."""
    feature_server_url: str = Field("http://localhost:6566", pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    """Where `feast serve` answers that poc/serve_model_remote.py reads features from."""
    feature_driver: Literal["auto", "acsylla", "cassandra-driver"] = "auto"
    """What a server reads Cassandra with; auto takes acsylla where it is installed."""
    stale_features: Literal["serve", "refuse"] = "serve"
    """Values older than the view's ttl: serve them marked stale, or answer 503."""
    console: Literal["on", "off"] = "on"
    """Whether a server has the page at / and its routes under /console."""
    registry_refresh_seconds: Interval = 15.0
    """How often a server looks for changed features in Feast's registry."""
    model_refresh_seconds: Interval = 15.0
    """How often a server looks for another version under the alias."""
    metrics_refresh_seconds: Interval = 15.0
    """How often a server reads the online store's state for /metrics."""
    shutdown_grace_seconds: float = Field(1.0, ge=0, le=300)
    """How long /ready answers 503 before a stopping server stops listening."""
    workers: int = Field(1, ge=1, le=64)
    """Processes that a server answers with; each has its own connections."""
    host: str = "127.0.0.1"
    """Address the servers listen on."""
    port: Port | None = None
    """Port; when not set 8000 with Feast, 8001 without, 8002 with a feature server."""
    prometheus_port: Port = 9090
    """Where the Prometheus of `make monitor` listens."""
    grafana_port: Port = 3000
    """Where its Grafana listens, which is started where Docker is."""
    mlflow_tracking_uri: str = "sqlite:///data/mlflow.db"
    """MLflow tracking store and model registry."""
    model_name: str = "fraud_detection"
    """Registered model that is served."""
    model_alias: str = "champion"
    """Alias of the version that is served."""
    data_dir: Path = Path("data")
    """Folder of the Parquet, the pictures, MLflow's files."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""

    @field_validator("cassandra_username", "cassandra_password", "cassandra_password_file", mode="before")
    @classmethod
    def _empty_is_not_set(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("cassandra_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(part.strip() for part in value.split(",") if part.strip())
        if not hosts:
            raise ValueError("name at least one host")
        return hosts


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises:
        InvalidSettings: a variable does not fit its type; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"{'_'.join(str(part) for part in item['loc']).upper()}={item['input']!r}: {item['msg']}"
            for item in error.errors()
        ]
        raise InvalidSettings(problems) from None


def settings_page() -> str:
    """Write docs/settings.md: every setting with its default."""
    rows = ["", "| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return _OPENING + "\n".join(rows) + "\n"
