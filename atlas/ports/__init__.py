"""Protocols of all adapters: what the runs ask of the cluster, the engines, the store, Ansible, and the checks."""
