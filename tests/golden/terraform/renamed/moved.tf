# Guests that the spec renames: the same guest under another key.

moved {
  from = proxmox_virtual_environment_vm.guests["old-1"]
  to   = proxmox_virtual_environment_vm.guests["new-1"]
}
