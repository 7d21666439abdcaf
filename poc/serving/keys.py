"""The API keys of a server: where they come from, when it may do without, and which requests bring one."""

import base64
import binascii
import hmac
import ipaddress
import os
import stat
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from poc.errors import ApiKeysMissing, InvalidSettings
from poc.settings import Settings

# Of the letters that secrets.token_urlsafe gives these are 96 bits.
SHORTEST = 16


class ApiKeys:
    """Some keys, each as good as the others: a new one is added before the old one is taken away."""

    def __init__(self, keys: Sequence[str]) -> None:
        # Of the keys nothing else is kept.
        self._digests = [sha256(key.encode()).digest() for key in keys]

    def admit(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        """Return the digest of the key in `headers`, named in small letters; None if it is not known.

        How long that takes tells nothing of how near one is.
        """
        digest = sha256(_sent(headers)).digest()
        known = sum(hmac.compare_digest(digest, known) for known in self._digests) > 0
        return digest if known else None


def read_keys(settings: Settings) -> ApiKeys | None:
    """Return the keys that `settings` ask for; None where they ask for none.

    Raises InvalidSettings: they are too short, or in a file that others can read.
    """
    keys = stated_keys(settings)
    return None if keys is None else ApiKeys(keys)


def require_keys(settings: Settings, address: str) -> None:
    """Raise `ApiKeysMissing` where others than this machine reach an IP address, unless API_KEYS says `off`.

    Raises InvalidSettings: as `read_keys`.
    """
    said_so = settings.api_keys is not None
    if read_keys(settings) is None and not said_so and not ipaddress.ip_address(address).is_loopback:
        raise ApiKeysMissing(settings.host)


def stated_keys(settings: Settings) -> list[str] | None:
    """Return the keys that a server takes; None where it wants none. Raises as `read_keys`."""
    said, file = settings.api_keys, settings.api_keys_file
    if file is not None:
        name, found = f"API_KEYS_FILE={file}", _lines(file)
    elif said is None or said.get_secret_value().strip().lower() == "off":
        return None
    else:
        name, found = "API_KEYS", said.get_secret_value().split(",")
    keys = [key.strip() for key in found if key.strip()]
    if not keys or min(map(len, keys)) < SHORTEST:
        raise InvalidSettings([f"{name}: give keys of {SHORTEST} characters or more"])
    return keys


def _lines(file: Path) -> list[str]:
    """Read a file that nobody else may use.

    One that this server cannot change, as of a Secret that Kubernetes mounts, may be read by its group: that
    is how the server itself reads it.
    """
    try:
        found = file.stat()
        forbidden, way_out = stat.S_IWGRP | stat.S_IRWXO, f"let its owner say chmod 440 {file}"
        if os.statvfs(file).f_flag & os.ST_RDONLY:
            way_out = "mount it with defaultMode: 0440 and the fsGroup of its pod"
        elif found.st_uid == os.geteuid():
            forbidden, way_out = stat.S_IRWXG | stat.S_IRWXO, f"chmod 600 {file}"
        if found.st_mode & forbidden:
            reason = f"others than this server may use it; {way_out}"
            raise InvalidSettings([f"API_KEYS_FILE={file}: {reason}"])
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettings([f"API_KEYS_FILE={file}: {reason}"]) from error


def _sent(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the key that a request brings, or nothing."""
    if b"x-api-key" in headers:
        return headers[b"x-api-key"].strip()
    scheme, _, said = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return said.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(said).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
