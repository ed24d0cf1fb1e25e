"""What the lab does not model, each with the sentence that a caller reads."""

from __future__ import annotations

import re

from atlas.lab.call import HANDLERS, refuse
from atlas.lab.table import load

_CEPH = "binary not installed: /usr/bin/ceph-mon"  # what a cluster without Ceph answers, and the lab's is one
# A pattern of paths -> the sentence; the first that fits counts.
_REFUSED = (
    (
        r"/access/(openid|vncticket).*",
        "logging in by another server is not modelled by this lab: use pam or pve",
    ),
    (r"/access/.*tfa.*", "second factors are not modelled by this lab: nobody has one"),
    (r"/cluster/config.*", "this lab's cluster has the nodes that it was started with: reset it to have others"),
    (r".*/(vnc|term|spice)\w*", "consoles are not modelled by this lab"),
    (r".*/(mtunnel|mtunnelwebsocket|remote_migrate)", "migrating to another cluster is not modelled by this lab"),
    (r".*/dbus-vmstate", "this lab's nodes hold no connection states to carry along"),
    (r".*/execute", "batches of calls are not modelled by this lab: make them one by one"),
    (
        r".*/(oci-registry-pull|query-oci-repo-tags)",
        "image registries are not modelled by this lab: use download-url",
    ),
    (r".*/file-restore/.*", "single files of backups are not modelled by this lab: restore the guest"),
    (r".*/rrd", "graphs are not drawn by this lab: read rrddata"),
)


def register_refusals() -> None:
    """Refuse every method that nothing else answers."""
    for template, verbs in load().description.items():
        for verb in verbs:
            if (verb, template) in HANDLERS:
                continue
            if re.match(r"/cluster/ceph|/nodes/\{node\}/ceph", template):
                refuse(verb, template, _CEPH, 500)
                continue
            plain = f"{verb} {template} is not modelled by this lab"
            refuse(verb, template, next((why for form, why in _REFUSED if re.fullmatch(form, template)), plain))
