"""The adapter to Terraform or OpenTofu: the program, detached runs, and the terraform engine."""
