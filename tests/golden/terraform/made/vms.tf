resource "proxmox_virtual_environment_vm" "guests" {
  for_each = local.vms

  vm_id       = each.value.vmid
  name        = each.key
  node_name   = each.value.node
  migrate     = each.value.migrate
  description = each.value.description
  tags        = each.value.tags
  pool_id     = each.value.pool
  protection  = each.value.protection
  on_boot     = each.value.on_boot
  started     = true

  bios          = each.value.bios
  machine       = each.value.machine
  scsi_hardware = each.value.scsi_hardware

  # A guest that still boots does not hear that it shall go down: cut its power after 2 minutes, not the default 30.
  timeout_shutdown_vm = 120

  # A shutdown without an agent runs into its time-out. Disks that others detached are not ours to free.
  stop_on_destroy                      = each.value.stop_on_destroy
  purge_on_destroy                     = true
  delete_unreferenced_disks_on_destroy = false
  reboot_after_update                  = true

  clone {
    vm_id        = each.value.clone.vm_id
    node_name    = each.value.clone.node
    full         = each.value.clone.full
    datastore_id = each.value.clone.storage
  }

  agent {
    enabled = each.value.agent
    trim    = false
    type    = "virtio"

    wait_for_ip {
      disabled = true
    }
  }

  cpu {
    cores   = each.value.cores
    sockets = each.value.sockets
    type    = each.value.cpu_type
  }

  memory {
    dedicated = each.value.memory
    floating  = each.value.balloon
  }

  dynamic "disk" {
    for_each = each.value.disks
    content {
      interface    = disk.value.interface
      datastore_id = disk.value.storage
      size         = disk.value.size
      ssd          = disk.value.ssd
      discard      = disk.value.discard ? "on" : "ignore"
      iothread     = disk.value.iothread
      backup       = disk.value.backup
    }
  }

  dynamic "efi_disk" {
    for_each = each.value.efi == null ? [] : [each.value.efi]
    content {
      datastore_id      = efi_disk.value.storage
      type              = efi_disk.value.type
      pre_enrolled_keys = efi_disk.value.secure_boot
    }
  }

  dynamic "tpm_state" {
    for_each = each.value.tpm == null ? [] : [each.value.tpm]
    content {
      datastore_id = tpm_state.value.storage
      version      = "v2.0"
    }
  }

  dynamic "network_device" {
    for_each = each.value.networks
    content {
      bridge      = network_device.value.bridge
      model       = network_device.value.model
      mac_address = network_device.value.mac
      vlan_id     = network_device.value.vlan
      mtu         = network_device.value.mtu
      firewall    = network_device.value.firewall
    }
  }

  dynamic "startup" {
    for_each = each.value.start_order == null ? [] : [each.value.start_order]
    content {
      order = startup.value
    }
  }

  initialization {
    datastore_id = each.value.cloud_init_storage

    dynamic "dns" {
      for_each = each.value.dns == null ? [] : [each.value.dns]
      content {
        domain  = dns.value.search
        servers = dns.value.servers
      }
    }

    dynamic "ip_config" {
      for_each = each.value.addresses
      content {
        dynamic "ipv4" {
          for_each = ip_config.value.family == "ipv4" ? [ip_config.value] : []
          content {
            address = ipv4.value.address
            gateway = ipv4.value.gateway
          }
        }

        dynamic "ipv6" {
          for_each = ip_config.value.family == "ipv6" ? [ip_config.value] : []
          content {
            address = ipv6.value.address
            gateway = ipv6.value.gateway
          }
        }
      }
    }

    user_account {
      username = each.value.user
      keys     = each.value.ssh_keys
    }
  }

  lifecycle {
    ignore_changes = [
      clone, # every field of it would replace the guest, so that a rebuilt template would replace the fleet
      # What the spec does not speak of is left as it is.
      acpi, amd_sev, audio_device, boot_order, cdrom, hook_script_file_id, hostpci, hotplug, keyboard_layout,
      kvm_arguments, numa, operating_system, rng, serial_device, smbios, tablet_device, usb, vga, virtiofs, watchdog,
    ]
  }
}
