# The guests of stack farm by their stable keys. Memory is in MiB, disks are in GiB.

locals {
  vms = {
    new-1 = {
      vmid        = 10000
      node        = "pve1"
      description = "atlas:a1b2c3:farm:10000"
      tags        = ["atlas"]
      pool        = null
      protection  = false
      on_boot     = true
      start_order = null
      cores       = 2
      memory      = 2048
      addresses = [
        { family = "ipv4", address = "10.42.0.2/16", gateway = null },
      ]
      dns             = null
      ssh_keys        = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"]
      migrate         = false
      sockets         = 1
      cpu_type        = "x86-64-v2-AES"
      balloon         = 0
      bios            = "seabios"
      machine         = null
      scsi_hardware   = "virtio-scsi-single"
      agent           = true
      stop_on_destroy = false
      disks = [
        { interface = "scsi0", storage = "shared-nfs", size = 10, ssd = false, discard = false, iothread = false, backup = true },
      ]
      efi = null
      tpm = null
      networks = [
        { bridge = "vmbr0", model = "virtio", mac = "BC:24:11:00:00:00", vlan = null, mtu = null, firewall = false },
      ]
      user               = "ops"
      cloud_init_storage = "shared-nfs"
      clone = {
        vm_id   = 9000
        node    = "pve1"
        full    = true
        storage = "shared-nfs"
      }
    }
  }

  containers = {}
}
