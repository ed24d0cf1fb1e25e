"""The adapter to Ansible: detached runs and their events."""
