output "guests" {
  description = "VMID, node and addresses of every guest"
  value = {
    for key, guest in merge(local.vms, local.containers) : key => {
      vmid      = guest.vmid
      node      = guest.node
      addresses = [for a in guest.addresses : a.address]
    }
  }
}
