"""The comparison of the stores for a person, a few lines a store, and for a program, as JSON."""

from datetime import datetime
from typing import Any

from poc.monitoring.consistency import Consistency, StoreCheck


def describe_store(check: StoreCheck) -> str:
    """Say in one line how many transactions differ."""
    compared = f"{check.compared:,} transactions as of {check.covered_until:%Y-%m-%dT%H:%M:%S} UTC"
    if check.differing == 0:
        return f"{check.store}: {compared}, every value equal"
    missing = f", {check.missing:,} of them missing online" if check.missing else ""
    return f"{check.store}: {check.differing:,} of {compared} differ{missing}"


def describe_rest(check: StoreCheck) -> list[str]:
    """Say what was not compared, a line each."""
    lines = []
    if check.expired:
        lines.append(f"{check.expired:,} transactions expired online, as the store's ttl_seconds asks")
    if check.others is None:
        lines.append("Transactions online that are not offline cannot be counted in this store")
    elif check.others:
        lines.append(f"{check.others:,} transactions online have no row in the materialized interval")
    return lines


def consistency_document(found: Consistency) -> dict[str, Any]:
    """Give everything for JSON; what JSON does not know is text."""
    return {
        "feature_view": found.feature_view,
        "holds": found.holds,
        "offline_changed": found.offline_changed,
        "stores": [_store_document(check) for check in found.stores],
    }


def _store_document(check: StoreCheck) -> dict[str, Any]:
    return {
        "store": check.store,
        "covered_from": check.covered_from.isoformat(),
        "covered_until": check.covered_until.isoformat(),
        "compared": check.compared,
        "differing": check.differing,
        "missing": check.missing,
        "expired": check.expired,
        "others": check.others,
        "differences": [
            {
                "transaction_id": skew.transaction_id,
                "column": skew.column,
                "online": _json_value(skew.online),
                "offline": _json_value(skew.offline),
            }
            for skew in check.shown
        ],
    }


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
