"""Commands that look: stacks and guests."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas.cli.common import Cluster, Output, application, with_output

stacks = typer.Typer(help="Stacks: the named sets of guests that specs describe.", no_args_is_help=True)
guests = typer.Typer(help="Guests of stacks: what is leased, and what runs.", no_args_is_help=True)


@stacks.command("list")
@with_output
def list_stacks(out: Output, cluster: Cluster = None) -> None:
    """List the stacks that were planned or applied."""
    from atlas.cli.tables import table

    found = application(out, cluster).store.stacks(cluster)
    out.result({"stacks": [dict(s) for s in found]})
    rows = [(s["stack"], s["cluster"], s["engine"] or "", s["guests"]) for s in found]
    out.print(table(("stack", "cluster", "engine", "guests"), rows) if rows else "no stacks yet")


@stacks.command("show")
@with_output
def show_stack(
    out: Output,
    stack: Annotated[str, typer.Argument(metavar="STACK", help="The stack's name.")],
    cluster: Cluster = None,
) -> None:
    """Show a stack: its spec, its guests and its latest runs."""
    from dataclasses import asdict

    from rich.markup import escape

    from atlas.cli.tables import table, when
    from atlas.spec import Stack
    from atlas.specfile import dump

    app = application(out, cluster)
    name = cluster or app.cluster_of(stack)
    found = next(s for s in app.store.stacks(name) if s["stack"] == stack)
    runs = [r for r in app.store.runs(stack) if r.cluster == name]
    leases = app.store.leases(name, stack)
    out.result({"stack": dict(found), "leases": [asdict(x) for x in leases], "runs": [asdict(r) for r in runs]})
    if found["spec"]:
        out.print(escape(dump(Stack.model_validate(found["spec"]))))
    out.print(table(_LEASE, [_lease(x) for x in leases]))
    rows = [(r.id, r.result or r.stage, r.reason, when(r.started)) for r in runs[:10]]
    out.print("\n", table(("run", "result", "reason", "started"), rows))


@guests.command("list")
@with_output
def list_guests(out: Output, cluster: Cluster = None) -> None:
    """List the guests of all stacks of a cluster, with what the cluster says of each."""
    from dataclasses import asdict

    from atlas.cli.tables import table

    app = application(out, cluster)
    site = app.site(cluster)
    leases = app.store.leases(site.profile.name)
    state = site.cluster.look()
    rows: list[tuple[Any, ...]] = []
    for lease in leases:
        seen = state.guests.get(lease.vmid)
        absent = "not there" if lease.made else "planned"
        status = absent if seen is None else "running" if seen.running else "stopped"
        rows.append((lease.stack, *_lease(lease), status))
    out.result({"guests": [{**asdict(x), "key": x.key, "status": r[-1]} for x, r in zip(leases, rows, strict=True)]})
    out.print(table(("stack", *_LEASE, "status"), rows) if rows else "no guests yet")


@guests.command("show")
@with_output
def show_guest(
    out: Output,
    guest: Annotated[str, typer.Argument(metavar="GUEST", help="The guest's name, STACK/NAME, or its VMID.")],
    cluster: Cluster = None,
) -> None:
    """Show one guest: its lease, and its running and pending values."""
    from dataclasses import asdict

    from atlas.cli.tables import table
    from atlas.errors import NotFound
    from atlas.plantext import show

    app = application(out, cluster)
    site = app.site(cluster)
    leases = app.store.leases(site.profile.name)
    fits = [x for x in leases if guest in (x.key, f"{x.stack}/{x.key}", str(x.vmid))]
    if len(fits) != 1:
        known = ", ".join(f"{x.stack}/{x.key}" for x in (fits or leases)[:10]) or "none"
        raise NotFound(f"{'several guests are' if fits else 'no guest is'} called {guest!r}", f"guests: {known}")
    lease = fits[0]
    seen = site.cluster.guest(lease.vmid)
    values = dict(seen.attributes) if seen is not None else {}
    pending = dict(seen.pending) if seen is not None else {}
    out.result({"lease": asdict(lease), "values": values, "pending": pending})
    out.print(table(_LEASE, [_lease(lease)]), "")
    rows = [(p, show(p, v), show(p, pending[p]) if p in pending else "") for p, v in sorted(values.items())]
    out.print(table(("value", "running", "after a reboot"), rows) if rows else "it is not on the cluster")


_LEASE = ("guest", "kind", "vmid", "node", "addresses")


def _lease(lease: Any) -> tuple[Any, ...]:
    return lease.key, lease.kind, lease.vmid, lease.node, ", ".join(lease.addresses)
