"""Where everything is kept that has to survive: sessions, plans, approvals, runs, leases."""

from atlas.store.sqlite import SqliteStore

__all__ = ["SqliteStore"]
