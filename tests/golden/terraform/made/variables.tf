# How the cluster is reached. Left at null, the provider reads PROXMOX_VE_ENDPOINT and PROXMOX_VE_API_TOKEN.

variable "proxmox_endpoint" {
  description = "URL of the API, such as https://pve.example.org:8006"
  type        = string
  default     = null
}

variable "proxmox_api_token" {
  description = "API token, user@realm!name=secret"
  type        = string
  default     = null
  sensitive   = true
}
