"""A signed package repository on a guest of our own, by which the `repository` role is proved without the world's."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import proving

from atlas.configs.catalogue import role_files, role_hash

if TYPE_CHECKING:
    from live.machines import Guest

_MAKE = r"""
set -eu
apt-get -qq install --no-install-recommends gpg gpg-agent >/dev/null
mkdir -p /srv/repo/dists/stable/main/binary-all /srv/repo/dists/stable/main/binary-amd64 /tmp/hello/DEBIAN
cd /srv/repo
printf '%s\n' 'Package: atlas-hello' 'Version: 1.0' 'Architecture: all' \
  'Maintainer: nobody <nobody@example.org>' 'Description: nothing' > /tmp/hello/DEBIAN/control
dpkg-deb -b /tmp/hello hello.deb >/dev/null
{ dpkg-deb -f hello.deb; echo "Filename: hello.deb"; echo "Size: $(stat -c %s hello.deb)"
  echo "SHA256: $(sha256sum hello.deb | cut -d' ' -f1)"; } > dists/stable/main/binary-amd64/Packages
cd dists/stable
P=main/binary-amd64/Packages
{ printf '%s\n' 'Origin: here' 'Suite: stable' 'Codename: stable' 'Components: main' 'Architectures: amd64'
  echo "Date: $(date -Ru)"; echo "SHA256:"; echo " $(sha256sum $P | cut -d' ' -f1) $(stat -c %s $P) $P"; } > Release
export GNUPGHOME=/root/.gnupg-repo; mkdir -pm 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-gen-key nobody@example.org ed25519 sign never 2>/dev/null
gpg --batch --quiet --clearsign -o InRelease Release
gpg --batch --quiet --armor --export > /srv/repo/key.asc
systemd-run --quiet --unit repo python3 -m http.server -b 127.0.0.1 -d /srv/repo 8099
gpg --batch --with-colons --list-keys | grep -m1 ^fpr | cut -d: -f10
"""


def prove(guest: Guest, folder: Path, *, verbose: bool = False) -> dict[str, Any]:
    """Add the guest's own repository twice, install from it, and see another fingerprint refused.

    Raises:
        NotProved: With the reason.
    """
    made = guest.ssh(f"sudo sh -c {shlex.quote(_MAKE)}")
    fingerprint = made.stdout.strip()
    if made.returncode or len(fingerprint) != 40:
        raise proving.NotProved(f"cannot make a repository: {made.stderr[-500:]}")
    where = proving.bundle([], guest, folder)
    for path, text in role_files("repository").items():
        target = where / "ansible" / "roles" / "repository" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "repository"}]}
    (where / "ansible" / "site.yml").write_text(json.dumps([play]))

    def applied(name: str, **variables: str) -> Any:
        values = {
            "repository_name": "here", "repository_url": "http://127.0.0.1:8099", "repository_suite": "stable",
            "repository_key": "http://127.0.0.1:8099/key.asc", "repository_fingerprint": fingerprint, **variables,
        }  # fmt: skip
        hosts = where / "ansible" / "host_vars"
        hosts.mkdir(exist_ok=True)
        (hosts / f"{proving.GUEST}.yaml").write_text(json.dumps(values))
        return proving.apply(where, folder / name, verbose)

    refused = applied("wrong", repository_name="wrong", repository_fingerprint="0" * 40)
    if "was expected" not in str(refused.failed):
        raise proving.NotProved(f"another key was not refused: {refused}")
    first, second = applied("run-1"), applied("run-2")
    if first.failed or second.failed or second.changed:
        raise proving.NotProved(first.failed or second.failed or f"the second run changed {second.changed} tasks")
    if guest.ssh("sudo apt-get -qq install atlas-hello && dpkg -s atlas-hello").returncode:
        raise proving.NotProved("its package cannot be installed")
    changed = [first.changed, second.changed]
    return {"hash": role_hash("repository"), "image": proving.IMAGE, "ok": second.ok, "changed": changed}
