# Guests that exist. Terraform passes over those that its state already holds.

import {
  to = proxmox_virtual_environment_container.guests["box"]
  id = "pve1/10003"
}

import {
  to = proxmox_virtual_environment_vm.guests["uefi"]
  id = "pve2/10002"
}

import {
  to = proxmox_virtual_environment_vm.guests["web-1"]
  id = "pve1/10000"
}

import {
  to = proxmox_virtual_environment_vm.guests["web-2"]
  id = "pve1/10001"
}
