"""A Proxmox VE API server to run anywhere; imports nothing from the rest of ATLAS."""
