"""What a guest's config file holds: its digest, pending changes and the views of it (pure)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

Value = str | int
Config = MutableMapping[str, Value]


def truth(value: object) -> bool:
    """Tell what Perl would: 0, "0" and the empty text are false."""
    return value not in {None, 0, "0", ""}


def split_list(text: object) -> list[str]:
    """Split a list written with commas, semicolons or blanks."""
    return [part for part in re.split(r"[,;\s\0]+", str(text or "")) if part]


def _section(config: Mapping[str, Any]) -> str:
    """Print one section as the config file has it."""
    note = "".join(f"#{line}\n" for line in str(config.get("description", "")).split("\n") if line)
    return note + "".join(f"{key}: {config[key]}\n" for key in sorted(config) if key != "description")


def digest(config: Mapping[str, Any], pending: Mapping[str, Any], snapshots: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the SHA-1 of the config file, which writers send back to notice each other."""
    parts = [_section(config)]
    if pending:
        parts.append("[PENDING]\n" + _section(pending))
    parts += [f"[{name}]\n" + _section(snapshots[name]) for name in sorted(snapshots)]
    return hashlib.sha1("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def pending_deletes(pending: Mapping[str, Any]) -> dict[str, bool]:
    """List the keys that wait to be deleted, each with whether its volume goes with it."""
    return {key.lstrip("!"): key.startswith("!") for key in split_list(pending.get("delete"))}


def _store_deletes(pending: MutableMapping[str, Any], deletes: Mapping[str, bool]) -> None:
    """Write the keys that wait to be deleted back."""
    pending.pop("delete", None)
    if deletes:
        pending["delete"] = ",".join(("!" if deletes[key] else "") + key for key in sorted(deletes))


def add_delete(pending: MutableMapping[str, Any], key: str, *, force: bool = False) -> None:
    """Let a key wait to be deleted; a value that waits for it goes."""
    pending.pop(key, None)
    _store_deletes(pending, {**pending_deletes(pending), key: force})


def drop_delete(pending: MutableMapping[str, Any], key: str) -> None:
    """Take a key off the list of those that wait to be deleted."""
    _store_deletes(pending, {k: force for k, force in pending_deletes(pending).items() if k != key})


def clean_pending(config: Config, pending: MutableMapping[str, Any]) -> None:
    """Drop pending values that are already so, and deletions of what is not there."""
    for key in [key for key in pending if key != "delete" and str(config.get(key)) == str(pending[key])]:
        del pending[key]
    _store_deletes(pending, {key: force for key, force in pending_deletes(pending).items() if key in config})


def merged(config: Mapping[str, Any], pending: Mapping[str, Any]) -> dict[str, Any]:
    """Give the config as it will be: what `GET config` shows without `current`."""
    gone = {key for key in pending_deletes(pending) if truth(config.get(key))}
    whole = {**config, **{key: value for key, value in pending.items() if key != "delete"}}
    return {key: value for key, value in whole.items() if key not in gone}


def pending_list(config: Mapping[str, Any], pending: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the rows of `GET pending`: current values, those that wait, and deletions (2 means with its volume)."""
    deletes = pending_deletes(pending)
    rows: list[dict[str, Any]] = []
    for key, value in config.items():
        row = {"key": key, "value": value}
        if key in pending and key != "delete":
            row["pending"] = pending[key]
        if key in deletes:
            row["delete"] = 2 if deletes[key] else 1
        rows.append(row)
    rows += [{"key": k, "pending": v} for k, v in pending.items() if k != "delete" and k not in config]
    return rows + [{"key": key, "delete": 2 if force else 1} for key, force in deletes.items() if key not in config]


def add_unused(config: Config, volid: str) -> str | None:
    """Enter a volume as the lowest free `unusedN`, unless it already is one.

    Args:
        config: of the guest; changed in place.
        volid: the volume that is no longer attached.

    Returns:
        The key, or None when it was there.
    """
    if volid in {value for key, value in config.items() if re.fullmatch(r"unused\d+", key)}:
        return None
    key = next(f"unused{n}" for n in range(256) if f"unused{n}" not in config)
    config[key] = volid
    return key
