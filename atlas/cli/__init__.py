"""The command line: flags to calls, errors to exit codes; one module per group of commands."""
