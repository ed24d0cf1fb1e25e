resource "proxmox_virtual_environment_container" "guests" {
  for_each = local.containers

  vm_id         = each.value.vmid
  node_name     = each.value.node
  description   = each.value.description
  tags          = each.value.tags
  pool_id       = each.value.pool
  protection    = each.value.protection
  start_on_boot = each.value.on_boot
  started       = true
  unprivileged  = each.value.unprivileged

  operating_system {
    template_file_id = each.value.archive
    type             = each.value.os_type
  }

  cpu {
    cores = each.value.cores
  }

  memory {
    dedicated = each.value.memory
    swap      = each.value.swap
  }

  disk {
    datastore_id = each.value.disk.storage
    size         = each.value.disk.size
  }

  dynamic "mount_point" {
    for_each = each.value.mounts
    content {
      path   = mount_point.value.path
      volume = mount_point.value.volume
      size   = mount_point.value.size
      backup = mount_point.value.backup
    }
  }

  dynamic "features" {
    for_each = each.value.features == null ? [] : [each.value.features]
    content {
      nesting = features.value.nesting
      keyctl  = features.value.keyctl
      fuse    = features.value.fuse
    }
  }

  dynamic "network_interface" {
    for_each = each.value.networks
    content {
      name        = network_interface.value.name
      bridge      = network_interface.value.bridge
      mac_address = network_interface.value.mac
      vlan_id     = network_interface.value.vlan
      mtu         = network_interface.value.mtu
      firewall    = network_interface.value.firewall
    }
  }

  dynamic "startup" {
    for_each = each.value.start_order == null ? [] : [each.value.start_order]
    content {
      order = startup.value
    }
  }

  initialization {
    hostname = each.key

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
      keys = each.value.ssh_keys
    }
  }

  lifecycle {
    # The archive and the keys can be given only when a container is made; changing an image is a replace by name.
    # The console is not in the spec, so it is left as it is.
    ignore_changes = [operating_system, console, initialization[0].user_account]
  }
}
