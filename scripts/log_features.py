"""Read online features as they are served, and log them for `feast validate`.

    python scripts/log_features.py                     500 transactions of the prepared data
    python scripts/log_features.py --transactions 50

The log is where logging_config in feature_repo/features.py says.
"""

from datetime import datetime, timedelta, timezone

from poc.command_line import argument_parser, note, ok, run, whole_number
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    how_many = "how many (default: 500)"
    parser.add_argument("--transactions", type=whole_number, default=500, metavar="N", help=how_many)
    wanted = parser.parse_args()
    settings = load_settings()
    note("Loading Feast ...")
    from poc.dataset.stored import sample_keys
    from poc.definitions import applied_service
    from poc.feature_store import close_feature_store, connection_of, open_feature_store
    from poc.online_store.failures import cassandra_failures
    from poc.quality.feast_validation import REFERENCE, log_online_features

    store = open_feature_store(settings)
    with cassandra_failures(connection_of(store)):
        served = applied_service(store, settings.feature_service)
        keys = sample_keys(served, wanted.transactions)
        entities = [dict(zip(served.key_names, key, strict=True)) for key in keys]
        begin = datetime.now(timezone.utc)
        logged = log_online_features(store, settings.feature_service, entities)
    close_feature_store(store)
    ok(f"Logged the online features of {logged:,} transactions")
    service, end = settings.feature_service, datetime.now(timezone.utc) + timedelta(seconds=1)
    note(
        f"Next: .validation-venv/bin/feast -c feature_repo validate --feature-service {service}"
        f" --reference {REFERENCE} {begin.isoformat(timespec='seconds')} {end.isoformat(timespec='seconds')}"
    )


if __name__ == "__main__":
    run(main)
