"""What a person or a program sees of the one stream of events: rich, JSON lines."""
