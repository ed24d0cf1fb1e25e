"""The adapter to Proxmox VE: client, tasks, facts, operations on a guest, and the api engine."""
