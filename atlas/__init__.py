"""ATLAS: running, configured and verified guests on Proxmox VE, from words or from YAML."""

__version__ = "0.1.0"
