"""Log online features as they are served, for `feast validate`, where the service's logging_config says.

Feast's Go server logged by itself; the Python servers of 0.38 do not. Knows Feast's format of such logs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from poc.errors import LoggingNotConfigured

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

BATCH = 1000
_MICROSECOND = timedelta(microseconds=1)


def log_online_features(
    store: "FeatureStore", service_name: str, entities: Sequence[Mapping[str, Any]]
) -> int:
    """Read the service's features through Feast's public call, and log them; return of how many entities."""
    service = store.get_feature_service(service_name)
    if service.logging_config is None:
        raise LoggingNotConfigured(service_name)
    for start in range(0, len(entities), BATCH):
        store.write_logged_features(_log(store, service, entities[start : start + BATCH]), service)
    return len(entities)


def _log(store: "FeatureStore", service: "FeatureService", entities: Sequence[Mapping[str, Any]]) -> pa.Table:
    from feast import feature_logging as logs

    schema = logs.FeatureServiceLoggingSource(service, store.project).get_schema(store.registry)
    answer = store.get_online_features(service, list(map(dict, entities)), full_feature_names=True)
    columns: dict[str, list[Any]] = dict(answer.to_dict())
    for name, column in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True):
        times = [moment.ToDatetime(tzinfo=timezone.utc) for moment in column.event_timestamps]
        columns |= {f"{name}__timestamp": times, f"{name}__status": list(column.statuses)}
    now = datetime.now(timezone.utc)
    # Feast takes rows of one moment for one row when it reads the log.
    columns[logs.LOG_TIMESTAMP_FIELD] = [now + number * _MICROSECOND for number in range(len(entities))]
    columns[logs.LOG_DATE_FIELD] = [now.date()] * len(entities)
    columns[logs.REQUEST_ID_FIELD] = [uuid4().hex] * len(entities)
    return pa.table([pa.array(columns[item.name], item.type) for item in schema], schema=schema)
