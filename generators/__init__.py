"""Pure generators: spec, state and leases in, `{path: text}` out."""
