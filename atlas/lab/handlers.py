"""The modules that answer the API's methods; each registers its handlers when it is imported."""

from __future__ import annotations

import importlib

from atlas.lab.refusals import register_refusals
from atlas.lab.shapes import register_indexes

MODULES = (
    "access_domains",
    "access_roles",
    "access_tickets",
    "access_users",
    "acme",
    "agent",
    "backup_calls",
    "bulk",
    "cluster",
    "cluster_jobs",
    "cluster_mappings",
    "cluster_options",
    "cluster_replication",
    "cluster_resources",
    "cluster_sections",
    "firewall_rules",
    "firewall_sets",
    "guest_graphs",
    "ha",
    "ha_manager",
    "ha_rules",
    "indexes",
    "lxc_clone",
    "lxc_config",
    "lxc_create",
    "lxc_destroy",
    "lxc_disks",
    "lxc_migrate",
    "lxc_power",
    "node_apt",
    "node_capabilities",
    "node_certificates",
    "node_disks",
    "node_network",
    "node_reads",
    "node_replication",
    "node_services",
    "node_settings",
    "node_tasks",
    "nodes",
    "notifications",
    "pools",
    "qemu_clone",
    "qemu_config",
    "qemu_cloudinit",
    "qemu_create",
    "qemu_destroy",
    "qemu_disks",
    "qemu_migrate",
    "qemu_pause",
    "qemu_power",
    "qemu_status",
    "sdn",
    "sdn_ipam",
    "sdn_lock",
    "sdn_nodes",
    "sdn_prefixes",
    "sdn_routing",
    "sdn_subnets",
    "snapshot_calls",
    "static_reads",
    "storage_config",
    "storage_content",
    "storage_download",
    "storage_nodes",
    "storage_upload",
)


def load_handlers() -> None:
    """Import every module that registers handlers; indexes and refusals answer what is left."""
    for name in MODULES:
        importlib.import_module(f"atlas.lab.{name}")
    register_indexes()
    register_refusals()
