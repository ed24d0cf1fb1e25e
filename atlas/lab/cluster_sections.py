"""Sections of the cluster's configuration: metric servers, CPU models, jobs that synchronise realms, ACME plugins."""

from __future__ import annotations

import base64
from typing import Any

from atlas.lab.call import Call, PVEError
from atlas.lab.section_calls import Section, serve

Data = dict[str, Any]


def _server(_: Call, name: str, data: Data) -> Data:
    return {"id": name, "disable": data.get("disable", 0), **{key: data[key] for key in ("type", "server", "port")}}


_SERVERS = {
    "graphite": {"path", "proto", "timeout"},
    "influxdb": {
        *("influxdbproto", "timeout", "max-body-size", "organization", "bucket", "token", "api-path-prefix"),
        "verify-certificate",
    },
}


def _check_server(_: Call, __: str, data: Data) -> None:
    known = _SERVERS.get(str(data["type"]))
    own = set().union(*_SERVERS.values())
    wrong = next((key for key in sorted(data) if known is not None and key in own - known), None)
    if wrong is not None:
        raise PVEError(500, f"unexpected property '{wrong}'")


def _plain(_: Call, __: str, data: Data) -> Data:
    return {key: value for key, value in data.items() if key != "digest"}


def _model(_: Call, name: str, data: Data) -> Data:
    return {"cputype": f"custom-{name}", **data}


def _sees_model(call: Call, name: str) -> bool:
    return call.may(f"/mapping/cpu/{name}", "Mapping.Audit", "Mapping.Use", "Mapping.Modify", any=True)


def _job(_: Call, name: str, data: Data) -> Data:
    return {"id": name, "type": "realm-sync", **data}


def _check_realm(call: Call, _: str, data: Data) -> None:
    realm = call.lab.section("domains").get(data["realm"])
    kind = realm.data["type"] if realm else {"pam": "pam", "pve": "pve"}.get(data["realm"])
    if kind is None:
        raise PVEError(500, f"400 Parameter verification failed.\nrealm: No such realm '{data['realm']}'\n")
    if kind not in ("ldap", "ad"):
        raise PVEError(500, "400 Parameter verification failed.\nrealm: Only LDAP/AD realms can be synced.\n")


def _plugin(_: Call, name: str, data: Data) -> Data:
    shown = {"plugin": name, **data}
    if "data" in data:  # taken as base64, shown as the text that it stands for
        shown["data"] = base64.b64decode(f"{data['data']}===").decode(errors="replace")
    return shown


serve(
    Section(
        *("/cluster/metrics/server", "id", "metrics"),
        exists="Metric server '{}' already exists",
        missing="status server entry '{}' does not exist",
        unknown="no such server '{}'",
        gone="cannot lookup undefined type! at /usr/share/perl5/PVE/SectionConfig.pm line 1.",
        check=_check_server,
        made_at_item=True,
        required={"": ("port", "server")},
        secrets=("token",),
        row=_server,
        one=_plain,
    )
)
serve(
    Section(
        *("/cluster/qemu/custom-cpu-models", "cputype", "cpu-models"),
        exists="custom CPU model '{}' already exists",
        missing="Custom cputype '{}' not found",
        unknown="custom CPU model '{}' does not exist",
        row=_model,
        one=_model,
        visible=_sees_model,
        name=lambda text: text.removeprefix("custom-"),
    )
)
serve(
    Section(
        *("/cluster/jobs/realm-sync", "id", "realm-sync"),
        exists="Job '{}' already exists",
        missing="No such job '{}'",
        unknown="no such realm-sync job",
        gone="400 Parameter verification failed.\nid: No such job '{}'\n",
        status=400,
        change_status=500,
        made_at_item=True,
        required={"": ("realm", "schedule", "scope")},
        defaults={"enabled": 1},
        row=_job,
        one=lambda call, name, data: _plain(call, name, {"type": "realm-sync", **data}),
        check=_check_realm,
    )
)
serve(
    Section(
        *("/cluster/acme/plugins", "id", "acme-plugins"),
        exists="ACME plugin ID '{}' already exists",
        missing="ACME plugin '{}' not defined",
        unknown="ACME plugin ID '{}' does not exist",
        required={"dns": ("api",)},
        forgiving=True,
        row=_plugin,
        one=_plugin,
        visible=lambda call, name: (
            call.params.get("type") in (None, call.lab.section("acme-plugins")[name].data["type"])
        ),
    )
)
