# Guests that exist. Terraform passes over those that its state already holds.

import {
  to = proxmox_virtual_environment_vm.guests["new-1"]
  id = "pve1/10000"
}
