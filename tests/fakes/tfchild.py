"""A process that carries out a stored run with the terraform engine, for tests that kill it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fakes.tfsite import TerraformSite


def main(home: str, status: str, spec: str, hash_: str, run: str) -> None:
    """Carry out the run; all arguments are text, `status` and `spec` as JSON."""
    site = TerraformSite(Path(home), json.loads(status))
    wanted = json.loads(spec)
    work = site.work(wanted, "farm")
    site.carry_out(work, site.store.plan(hash_), site.store.run(run))


if __name__ == "__main__":
    main(*sys.argv[1:])
