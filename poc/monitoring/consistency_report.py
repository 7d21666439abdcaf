"""The comparison of the stores for a person, a few lines a store, and for a program, as JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from poc.monitoring.consistency import StoreCheck, ViewCheck


def describe_view(view: ViewCheck, alone: bool) -> list[tuple[StoreCheck, str, list[str]]]:
    """Say of each store in a line how many entities of `view` differ, and in more what was not compared.

    Args:
        view: the comparison.
        alone: whether the service has no other view: its entities are the transactions then.
    """
    what = "transactions" if alone else "entities"
    prefix = "" if alone else f"{view.feature_view}, "
    return [(check, prefix + _described(check, what), _rest(check, what)) for check in view.stores]


def _described(check: StoreCheck, what: str) -> str:
    compared = f"{check.compared:,} {what} as of {check.covered_until:%Y-%m-%dT%H:%M:%S} UTC"
    if check.differing == 0:
        return f"{check.store}: {compared}, every value equal"
    missing = f", {check.missing:,} of them missing online" if check.missing else ""
    return f"{check.store}: {check.differing:,} of {compared} differ{missing}"


def _rest(check: StoreCheck, what: str) -> list[str]:
    lines = []
    if check.expired:
        lines.append(f"{check.expired:,} {what} expired online, as the store's ttl_seconds asks")
    if check.others is None:
        lines.append(f"{what.capitalize()} online that are not offline cannot be counted in this store")
    elif check.others:
        lines.append(f"{check.others:,} {what} online have no row in the materialized interval")
    return lines


def consistency_document(views: Sequence[ViewCheck]) -> dict[str, Any]:
    """Return everything for JSON; what JSON does not know is text."""
    return {
        "holds": all(view.holds for view in views),
        "views": [
            {
                "feature_view": view.feature_view,
                "holds": view.holds,
                "offline_changed": view.offline_changed,
                "stores": [_store_document(check) for check in view.stores],
            }
            for view in views
        ],
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
                "key": _json_key(skew.key),
                "column": skew.column,
                "online": _json_value(skew.online),
                "offline": _json_value(skew.offline),
            }
            for skew in check.shown
        ],
    }


def _json_key(key: Mapping[str, object]) -> dict[str, object]:
    return {name: _json_value(value) for name, value in key.items()}


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
