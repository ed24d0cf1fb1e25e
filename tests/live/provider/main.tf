# Everything that a site may ask of the provider at once; `step` 2 is what it asks for later.
terraform {
  required_providers {
    proxmox = {
      source  = "bpg/proxmox"
      version = "0.111.1"
    }
  }
}

variable "image" {
  type = string
}

variable "step" {
  type    = number
  default = 1
}

locals {
  later = var.step == 2
}

resource "proxmox_virtual_environment_download_file" "image" {
  node_name    = "pve1"
  datastore_id = "shared-nfs"
  content_type = "import"
  file_name    = "cloud.qcow2"
  url          = var.image
}

resource "proxmox_virtual_environment_pool" "all" {
  pool_id = "site"
  comment = local.later ? "of the site" : "made by terraform"
}

resource "proxmox_virtual_environment_vm" "whole" {
  name          = "whole"
  description   = local.later ? "changed" : "from an image"
  tags          = local.later ? ["blue", "green"] : ["blue"]
  node_name     = "pve1"
  vm_id         = 700
  machine       = "q35"
  bios          = "ovmf"
  scsi_hardware = "virtio-scsi-single"
  on_boot       = false
  boot_order    = ["scsi0"]

  cpu {
    cores = local.later ? 4 : 2
    type  = "x86-64-v2-AES"
  }
  memory {
    dedicated = local.later ? 3072 : 2048
  }
  efi_disk {
    datastore_id      = "local-lvm"
    type              = "4m"
    pre_enrolled_keys = true
  }
  tpm_state {
    datastore_id = "local-lvm"
    version      = "v2.0"
  }
  disk {
    datastore_id = "local-lvm"
    interface    = "scsi0"
    import_from  = proxmox_virtual_environment_download_file.image.id
    size         = local.later ? 12 : 8
    discard      = "on"
    iothread     = true
  }
  disk {
    datastore_id = "shared-nfs"
    interface    = "virtio1"
    size         = 2
    file_format  = "qcow2"
  }
  dynamic "disk" {
    for_each = local.later ? [3] : []
    content {
      datastore_id = "local-lvm"
      interface    = "sata2"
      size         = disk.value
    }
  }
  network_device {
    bridge  = "vmbr0"
    vlan_id = 20
  }
  network_device {
    bridge   = proxmox_virtual_environment_network_linux_bridge.inner.name
    model    = "e1000"
    firewall = local.later
  }
  initialization {
    datastore_id = "local-lvm"
    dns {
      domain  = "lab.example"
      servers = local.later ? ["10.42.0.2", "10.42.0.3"] : ["10.42.0.2"]
    }
    ip_config {
      ipv4 {
        address = "10.42.0.70/24"
        gateway = "10.42.0.1"
      }
    }
    ip_config {
      ipv4 {
        address = "dhcp"
      }
    }
    user_account {
      username = local.later ? "admin" : "ops"
    }
  }
  operating_system {
    type = "l26"
  }
  serial_device {}
  stop_on_destroy = true
}

resource "proxmox_virtual_environment_vm" "full" {
  name      = local.later ? "full-renamed" : "full"
  node_name = "pve2"
  vm_id     = 701
  clone {
    vm_id     = 9000
    node_name = "pve1"
    full      = true
  }
  agent {
    enabled = true
  }
  disk {
    datastore_id = "shared-nfs"
    interface    = "scsi0"
    size         = local.later ? 9 : 5
  }
  initialization {
    datastore_id = "shared-nfs"
    ip_config {
      ipv4 {
        address = "10.42.0.71/24"
        gateway = "10.42.0.1"
      }
    }
  }
  stop_on_destroy = true
}

resource "proxmox_virtual_environment_vm" "linked" {
  name      = "linked"
  node_name = "pve1"
  vm_id     = 702
  started   = false
  clone {
    vm_id = 9000
    full  = false
  }
}

resource "proxmox_virtual_environment_vm" "plain" {
  name      = "plain"
  node_name = "pve1"
  vm_id     = local.later ? 713 : 703
  started   = false
  memory {
    dedicated = 1024
  }
  disk {
    datastore_id = "local-lvm"
    interface    = "scsi0"
    size         = 1
  }
}

resource "proxmox_virtual_environment_vm" "hot" {
  name      = "hot"
  node_name = "pve1"
  vm_id     = 705
  hotplug   = "network,disk,usb,memory,cpu"
  cpu {
    cores      = 4
    hotplugged = local.later ? 3 : 1
    numa       = true
    type       = "x86-64-v2-AES"
  }
  memory {
    dedicated = local.later ? 3072 : 2048
  }
  disk {
    datastore_id = "local-lvm"
    interface    = "virtio0"
    import_from  = proxmox_virtual_environment_download_file.image.id
    size         = local.later ? 8 : 5
  }
  network_device {
    bridge = "vmbr0"
  }
  dynamic "network_device" {
    for_each = local.later ? ["vmbr0"] : []
    content {
      bridge = network_device.value
    }
  }
  stop_on_destroy = true
}

resource "proxmox_virtual_environment_container" "box" {
  node_name    = "pve1"
  vm_id        = 704
  description  = local.later ? "changed" : "a container"
  tags         = ["green"]
  unprivileged = true
  cpu {
    cores = local.later ? 2 : 1
  }
  memory {
    dedicated = 1024
    swap      = local.later ? 512 : 256
  }
  features {
    nesting = true
  }
  disk {
    datastore_id = "local-lvm"
    size         = local.later ? 6 : 4
  }
  mount_point {
    volume = "local-lvm"
    size   = "2G"
    path   = "/srv"
  }
  network_interface {
    name    = "eth0"
    bridge  = "vmbr0"
    vlan_id = 20
  }
  initialization {
    hostname = "box"
    ip_config {
      ipv4 {
        address = "10.42.0.74/24"
        gateway = "10.42.0.1"
      }
    }
  }
  operating_system {
    template_file_id = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
    type             = "debian"
  }
}

resource "proxmox_pool_membership" "guest" {
  for_each = { whole = proxmox_virtual_environment_vm.whole.vm_id, box = proxmox_virtual_environment_container.box.vm_id }
  pool_id  = proxmox_virtual_environment_pool.all.pool_id
  vm_id    = each.value
}

resource "proxmox_pool_membership" "storage" {
  pool_id    = proxmox_virtual_environment_pool.all.pool_id
  storage_id = "shared-nfs"
}

resource "proxmox_virtual_environment_network_linux_bridge" "inner" {
  node_name  = "pve1"
  name       = "vmbr7"
  address    = "10.77.0.1/24"
  comment    = local.later ? "changed" : "inner network"
  vlan_aware = true
}

resource "proxmox_virtual_environment_network_linux_vlan" "storage" {
  depends_on = [proxmox_virtual_environment_network_linux_bridge.inner] # both reload the node's network
  node_name  = "pve1"
  name       = "eno1.30"
  address    = local.later ? "10.30.0.2/24" : "10.30.0.1/24"
}

resource "proxmox_virtual_environment_role" "readers" {
  role_id    = "Readers"
  privileges = local.later ? ["VM.Audit", "Datastore.Audit"] : ["VM.Audit"]
}

resource "proxmox_virtual_environment_group" "readers" {
  group_id = "readers"
  comment  = "may look"
}

resource "proxmox_virtual_environment_user" "reader" {
  user_id    = "reader@pve"
  comment    = local.later ? "changed" : "looks only"
  email      = "reader@lab.example"
  first_name = "Ann"
  groups     = [proxmox_virtual_environment_group.readers.group_id]
  enabled    = true
}

resource "proxmox_user_token" "reader" {
  user_id               = proxmox_virtual_environment_user.reader.user_id
  token_name            = "tool"
  privileges_separation = local.later
}

resource "proxmox_acl" "readers" {
  group_id  = proxmox_virtual_environment_group.readers.group_id
  role_id   = proxmox_virtual_environment_role.readers.role_id
  path      = "/pool/${proxmox_virtual_environment_pool.all.pool_id}"
  propagate = true
}

resource "proxmox_virtual_environment_firewall_alias" "office" {
  name    = "office"
  cidr    = local.later ? "10.60.0.0/16" : "10.50.0.0/16"
  comment = "where people are"
}

resource "proxmox_virtual_environment_firewall_ipset" "trusted" {
  name = "trusted"
  cidr {
    name    = "10.50.1.0/24"
    comment = "desks"
  }
  cidr {
    name    = "10.50.2.1"
    nomatch = true
  }
}

resource "proxmox_virtual_environment_cluster_firewall_security_group" "web" {
  name    = "web"
  comment = "web servers"
  rule {
    type   = "in"
    action = "ACCEPT"
    proto  = "tcp"
    dport  = local.later ? "443" : "80"
    source = proxmox_virtual_environment_firewall_alias.office.name
  }
}

resource "proxmox_virtual_environment_firewall_options" "whole" {
  node_name    = "pve1"
  vm_id        = proxmox_virtual_environment_vm.whole.vm_id
  enabled      = true
  input_policy = local.later ? "DROP" : "REJECT"
}

resource "proxmox_virtual_environment_firewall_rules" "whole" {
  depends_on = [proxmox_virtual_environment_firewall_options.whole]
  node_name  = "pve1"
  vm_id      = proxmox_virtual_environment_vm.whole.vm_id
  rule {
    security_group = proxmox_virtual_environment_cluster_firewall_security_group.web.name
    comment        = "by group"
    iface          = "net0"
  }
  rule {
    type    = "in"
    action  = "ACCEPT"
    macro   = "SSH"
    source  = "+${proxmox_virtual_environment_firewall_ipset.trusted.name}"
    comment = local.later ? "changed" : "ssh"
    log     = "info"
  }
}
