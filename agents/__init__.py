"""The AutoGen agents: each a thin turn around a function in `atlas.steps`."""
