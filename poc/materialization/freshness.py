"""How far behind the online store is: what the last recorded run reached, and the newest event in it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from poc.dataset.stored import newest_event
from poc.definitions import applied_service
from poc.errors import FeaturesNotMaterialized
from poc.materialization.records import CLOCKS_APART, MaterializationRecord
from poc.materialization.window import in_words
from poc.online_store.session import Session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class AgeCheck:
    """The age of one moment against its limit.

    Attributes:
        moment: it, UTC; None where there is none, which no limit allows.
        age: how long ago; below zero for a moment in the future, which no run with a right clock reaches.
    """

    what: str
    moment: datetime | None
    age: timedelta
    limit: timedelta | None

    @property
    def holds(self) -> bool:
        """Whether the age is within the limit."""
        within = self.limit is None or self.age <= self.limit
        return self.moment is not None and within and self.age >= -CLOCKS_APART

    def __str__(self) -> str:
        if self.moment is None:
            return f"{self.what}: none"
        limit = "" if self.limit is None else f" (limit {in_words(self.limit)})"
        away = f"{in_words(max(self.age, timedelta(0)))} ago{limit}"
        if self.age < -CLOCKS_APART:
            away = f"{in_words(-self.age)} in the future: a clock is wrong, here or where it was written"
        return f"{self.what}: {self.moment:%Y-%m-%dT%H:%M:%S} UTC, {away}"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How recent the online features of one view are. Times are UTC-aware.

    Attributes:
        materialized_until: end, exclusive, of what the last finished run covered; never after its own end.
        newest_event: newest event time before that end; None where no row lies there.
    """

    feature_view: str
    ttl: timedelta | None
    materialized_until: datetime
    newest_event: datetime | None

    def checks(
        self, now: datetime, max_age: timedelta, max_event_age: timedelta | None = None
    ) -> tuple[AgeCheck, AgeCheck]:
        """Hold the age of the materialized interval's end to `max_age`, which the schedule promises, and that
        of the newest event to `max_event_age`, which the data promises, or to the view's ttl.
        """

        def check(what: str, moment: datetime | None, limit: timedelta | None) -> AgeCheck:
            age = timedelta(0) if moment is None else now - moment
            return AgeCheck(f"{self.feature_view} {what}", moment, age, limit)

        event_limit = self.ttl if max_event_age is None else max_event_age
        materialized = check("materialized until", self.materialized_until, max_age)
        return materialized, check("newest event", self.newest_event, event_limit)


def read_freshness(settings: Settings, store: "FeatureStore", session: Session) -> tuple[Freshness, ...]:
    """Read that of each view of the service: from the record of finished runs, and from the source.

    Not from Feast's registry, which has an interval before its values were read back.

    Raises FeaturesNotApplied, InvalidDefinitions, FeaturesNotMaterialized, DatasetNotPrepared,
    ColumnsMissing.
    """
    record = MaterializationRecord(settings.direct_keyspace, store.project)
    found = []
    for definitions in applied_service(store, settings.feature_service).feature_sets:
        last = record.last(session, store.config.online_store.type, definitions.view)
        if last is None:
            raise FeaturesNotMaterialized(f"Feature view {definitions.view}")
        newest = newest_event(definitions, before=last.reached)
        found.append(Freshness(definitions.view, definitions.ttl, last.reached, newest))
    return tuple(found)
