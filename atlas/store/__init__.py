"""Sessions, messages, plans, approvals, leases and journals in SQLite."""
