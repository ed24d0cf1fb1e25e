"""Plan, apply, destroy and verify as durable runs that survive any crash."""
