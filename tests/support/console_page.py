"""The transactions that the console is tried with, and what a page did beside what it showed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request
from stored_features import Row

NOW = datetime.now(timezone.utc).replace(microsecond=0)
PAYMENT: Mapping[str, object] = {
    "transaction_hour": 0,
    "merchant_category": "Travel",
    "foreign_transaction": 1,
    "location_mismatch": 0,
    "device_trust_score": 80,
    "velocity_last_24h": 2,
    "cardholder_age": 45,
}
SUSPICIOUS, HARMLESS, STALE, LONG = "12345", "67890", "old", "x" * 100
ROWS = [
    Row(SUSPICIOUS, {**PAYMENT, "amount": 500.0}, NOW - timedelta(hours=3)),
    # No cardholder_age: it is null.
    Row(HARMLESS, {**PAYMENT, "amount": 20.5, "cardholder_age": None}, NOW - timedelta(minutes=5)),
    Row(STALE, {**PAYMENT, "amount": 20.5}, NOW - timedelta(days=40)),
    Row(LONG, {**PAYMENT, "amount": 299.0}, NOW - timedelta(days=2)),
]


@dataclass
class Seen:
    """What a page did beside what it showed.

    Attributes:
        errors: what the browser's console was told as an error, and exceptions that nobody caught.
        hosts: whom it asked.
        expected: a text that the console's errors are allowed to have.
    """

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    expected: str | None = None

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def ask(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


OpenPage = Callable[..., tuple[Page, Seen]]
