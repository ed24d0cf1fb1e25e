# The guests of stack farm by their stable keys. Memory is in MiB, disks are in GiB.

locals {
  vms = {
    uefi = {
      vmid        = 10002
      node        = "pve2"
      description = "atlas:a1b2c3:farm:10002"
      tags        = ["atlas"]
      pool        = "prod"
      protection  = true
      on_boot     = true
      start_order = null
      cores       = 2
      memory      = 2048
      addresses = [
        { family = "ipv4", address = "10.42.0.4/16", gateway = null },
      ]
      dns = {
        search  = "example.org"
        servers = ["10.0.0.1"]
      }
      ssh_keys        = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"]
      migrate         = true
      sockets         = 1
      cpu_type        = "x86-64-v2-AES"
      balloon         = 0
      bios            = "ovmf"
      machine         = "q35"
      scsi_hardware   = "virtio-scsi-single"
      agent           = true
      stop_on_destroy = false
      disks = [
        { interface = "scsi0", storage = "shared-nfs", size = 10, ssd = false, discard = false, iothread = false, backup = true },
      ]
      efi = {
        storage     = "shared-nfs"
        type        = "4m"
        secure_boot = true
      }
      tpm = {
        storage = "shared-nfs"
      }
      networks = [
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:00:00:02", vlan = null, mtu = null, firewall = false },
      ]
      user               = "ops"
      cloud_init_storage = "shared-nfs"
      clone = {
        vm_id   = 9000
        node    = "pve1"
        full    = false
        storage = null
      }
    }
    web-1 = {
      vmid        = 10000
      node        = "pve1"
      description = "atlas:a1b2c3:farm:10000"
      tags        = ["atlas", "web"]
      pool        = null
      protection  = false
      on_boot     = true
      start_order = 1
      cores       = 4
      memory      = 8192
      addresses = [
        { family = "ipv4", address = "10.42.0.11/24", gateway = "10.42.0.1" },
        { family = "ipv4", address = "dhcp", gateway = null },
        { family = "ipv6", address = "fd00::5/64", gateway = null },
      ]
      dns             = null
      ssh_keys        = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"]
      migrate         = false
      sockets         = 1
      cpu_type        = "x86-64-v2-AES"
      balloon         = 4096
      bios            = "seabios"
      machine         = null
      scsi_hardware   = "virtio-scsi-single"
      agent           = true
      stop_on_destroy = false
      disks = [
        { interface = "scsi0", storage = "local-lvm", size = 40, ssd = false, discard = false, iothread = false, backup = true },
        { interface = "scsi1", storage = "local-lvm", size = 10, ssd = true, discard = true, iothread = false, backup = true },
      ]
      efi = null
      tpm = null
      networks = [
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:00:00:00", vlan = 20, mtu = null, firewall = false },
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:01:00:00", vlan = null, mtu = null, firewall = false },
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:02:00:00", vlan = null, mtu = 9000, firewall = false },
      ]
      user               = "ops"
      cloud_init_storage = "local-lvm"
      clone = {
        vm_id   = 9000
        node    = "pve1"
        full    = true
        storage = "local-lvm"
      }
    }
    web-2 = {
      vmid        = 10001
      node        = "pve1"
      description = "atlas:a1b2c3:farm:10001"
      tags        = ["atlas", "web"]
      pool        = null
      protection  = false
      on_boot     = true
      start_order = 1
      cores       = 4
      memory      = 8192
      addresses = [
        { family = "ipv4", address = "10.42.0.12/24", gateway = "10.42.0.1" },
        { family = "ipv4", address = "dhcp", gateway = null },
        { family = "ipv6", address = "fd00::6/64", gateway = null },
      ]
      dns             = null
      ssh_keys        = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"]
      migrate         = false
      sockets         = 1
      cpu_type        = "x86-64-v2-AES"
      balloon         = 4096
      bios            = "seabios"
      machine         = null
      scsi_hardware   = "virtio-scsi-single"
      agent           = true
      stop_on_destroy = false
      disks = [
        { interface = "scsi0", storage = "local-lvm", size = 40, ssd = false, discard = false, iothread = false, backup = true },
        { interface = "scsi1", storage = "local-lvm", size = 10, ssd = true, discard = true, iothread = false, backup = true },
      ]
      efi = null
      tpm = null
      networks = [
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:00:00:01", vlan = 20, mtu = null, firewall = false },
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:01:00:01", vlan = null, mtu = null, firewall = false },
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:02:00:01", vlan = null, mtu = 9000, firewall = false },
      ]
      user               = "ops"
      cloud_init_storage = "local-lvm"
      clone = {
        vm_id   = 9000
        node    = "pve1"
        full    = true
        storage = "local-lvm"
      }
    }
  }

  containers = {
    box = {
      vmid        = 10003
      node        = "pve1"
      description = "atlas:a1b2c3:farm:10003"
      tags        = ["atlas"]
      pool        = null
      protection  = false
      on_boot     = true
      start_order = null
      cores       = 2
      memory      = 2048
      addresses = [
        { family = "ipv4", address = "10.42.0.5/16", gateway = null },
      ]
      dns          = null
      ssh_keys     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"]
      unprivileged = true
      archive      = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
      os_type      = "debian"
      swap         = 1024
      disk = {
        storage = "shared-nfs"
        size    = 10
      }
      mounts = [
        { path = "/srv", volume = "shared-nfs", size = "5G", backup = true },
      ]
      features = {
        nesting = true
        keyctl  = false
        fuse    = false
      }
      networks = [
        { name = "eth0", bridge = "vmbr0", mac = "BC:24:11:00:00:03", vlan = null, mtu = null, firewall = false },
      ]
    }
  }
}
