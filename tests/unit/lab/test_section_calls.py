"""Sections of the configuration: what PVE refuses about objects under names, in its words."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError, api

METRICS = "/cluster/metrics/server"
GRAPHITE = {"type": "graphite", "server": "10.0.0.9", "port": 2003}
NOTES = "/cluster/notifications"


async def refused(world: Api, verb: str, path: str, /, **params: Any) -> tuple[int, str, dict[str, str] | None]:
    with pytest.raises(PVEError) as caught:
        await world.call(verb, path, **params)
    return caught.value.status, caught.value.message, caught.value.errors


async def test_a_name_is_taken_once_and_missing_ones_are_told() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", f"{METRICS}/graf", **GRAPHITE)
    assert (await refused(world, "POST", f"{METRICS}/graf", **GRAPHITE))[:2] == (
        500,
        "Metric server 'graf' already exists",
    )
    assert (await refused(world, "GET", f"{METRICS}/none"))[1] == "status server entry 'none' does not exist"
    assert (await refused(world, "PUT", f"{METRICS}/none", port=1, server="10.0.0.9"))[1] == "no such server 'none'"
    with pytest.raises(PVEError, match="cannot lookup undefined type"):
        await world.call("DELETE", f"{METRICS}/none")
    assert (await refused(world, "GET", "/cluster/jobs/realm-sync/none"))[2] == {"id": "No such job 'none'"}
    assert (await refused(world, "GET", f"{NOTES}/endpoints/smtp/none"))[:2] == (404, "smtp endpoint 'none' not found")


async def test_a_change_needs_the_digest_that_was_read_and_properties_that_there_are() -> None:
    world = await Api.fresh(user="root@pam")
    plugins = "/cluster/acme/plugins"
    await world.call("POST", plugins, id="cf", type="dns", api="cf", data="YT1i")
    digest = (await world.call("GET", f"{plugins}/cf"))["digest"]
    await world.call("PUT", f"{plugins}/cf", digest=digest, delete="data")
    assert "data" not in await world.call("GET", f"{plugins}/cf")
    assert "detected modified configuration" in (await refused(world, "PUT", f"{plugins}/cf", digest=digest))[1]
    assert (await refused(world, "PUT", f"{plugins}/cf", delete="no-such"))[1] == "no such option 'no-such'"
    assert "at the same time" in (await refused(world, "PUT", f"{plugins}/cf", delete="data", data="YT1i"))[1]


async def test_secrets_are_taken_and_never_shown() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", f"{NOTES}/endpoints/gotify", name="gg", server="http://10.0.0.9", token="hidden-token")
    shown = [await world.call("GET", f"{NOTES}/{path}") for path in ("endpoints/gotify", "endpoints/gotify/gg")]
    assert "hidden-token" not in str(shown)


async def test_an_endpoint_that_a_matcher_names_stays() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", f"{NOTES}/endpoints/sendmail", name="mail", **{"mailto-user": ["root@pam"]})
    assert (await refused(world, "POST", f"{NOTES}/matchers", name="mm", target=["none"]))[0] == 404
    await world.call("POST", f"{NOTES}/matchers", name="mm", target=["mail"])
    status, text, _ = await refused(world, "DELETE", f"{NOTES}/endpoints/sendmail/mail")
    assert (status, text) == (400, "cannot delete 'mail', referenced by: mm")
    assert (await refused(world, "POST", f"{NOTES}/matchers", name="mail"))[0] == 400


def test_no_method_has_two_handlers() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        api("GET", "/version")(lambda _: None)


async def test_an_empty_property_is_none() -> None:
    world = await Api.fresh(user="root@pam")
    realm = {"type": "openid", "issuer-url": "https://id.lab.example", "client-id": "lab"}
    await world.call("POST", "/access/domains", realm="oid", scopes="", **realm)
    assert "scopes" not in await world.call("GET", "/access/domains/oid")
    await world.call("PUT", "/access/domains/oid", scopes="email")
    await world.call("PUT", "/access/domains/oid", scopes="")
    assert "scopes" not in await world.call("GET", "/access/domains/oid")


async def test_a_directory_server_is_not_reached() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call(
        "POST", "/access/domains", realm="dir", type="ldap", server1="10.0.0.8", base_dn="dc=lab", user_attr="uid"
    )
    assert (await refused(world, "POST", "/access/domains/pve/sync"))[1].startswith("Cannot sync realm type 'pve'!")
    assert "scope" in ((await refused(world, "POST", "/access/domains/dir/sync"))[2] or {})
    upid = await world.call("POST", "/access/domains/dir/sync", scope="users")
    assert (await world.lab.tasks.wait(upid)).exitstatus == "IO::Socket::INET: connect: Connection timed out"
