"""The work of each agent as a function: collect, validate, generate, execute, verify."""
