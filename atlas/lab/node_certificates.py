"""nodes/{node}/certificates: what the lab serves with, and certificates that are kept for the node."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

from atlas.lab.acme import account_of
from atlas.lab.call import Call, PVEError, api
from atlas.lab.tasks import Task

Data = dict[str, Any]
_BASE = "/nodes/{node}/certificates"
CUSTOM = "pveproxy-ssl.pem"


def _info(filename: str, pem: str) -> Data:
    from cryptography import x509

    known = x509.load_pem_x509_certificate(pem.encode())
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(pem))).hexdigest().upper()
    try:
        names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        san = [str(name.value) for name in names]
    except x509.ExtensionNotFound:
        san = []
    key = known.public_key()
    return {
        "filename": filename,
        "fingerprint": ":".join(digits[i : i + 2] for i in range(0, 64, 2)),
        "subject": "/" + known.subject.rfc4514_string(),
        "issuer": "/" + known.issuer.rfc4514_string(),
        "notbefore": int(known.not_valid_before_utc.timestamp()),
        "notafter": int(known.not_valid_after_utc.timestamp()),
        "public-key-type": "rsaEncryption" if type(key).__name__.startswith(("RSA", "_RSA")) else "id-ecPublicKey",
        "public-key-bits": getattr(key, "key_size", 256),
        "pem": pem,
        "san": san,
    }


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[: pem.index(end) + len(end)] + "\n"


def _kept(call: Call) -> Data:
    found: Data = call.lab.node(call.params["node"]).settings.setdefault("certificates", {})
    return found


@api("GET", f"{_BASE}/info")
def certificates(call: Call) -> list[Data]:
    """Describe the certificate that the lab serves with, and the node's own one where it has one."""
    found = []
    if call.lab.directory is not None:
        found.append(_info("pve-ssl.pem", (call.lab.directory / "server.pem").read_text(encoding="utf-8")))
    if CUSTOM in _kept(call):
        found.append(_info(CUSTOM, _kept(call)[CUSTOM]))
    return found


@api("POST", f"{_BASE}/custom")
def upload(call: Call) -> Data:
    """Keep a certificate for the node; its key is checked and thrown away, since the lab serves with its own."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    kept, params = _kept(call), call.params
    if CUSTOM in kept and not params.get("force"):
        raise PVEError(400, errors={"force": "Custom certificate exists but 'force' is not set."})
    if "key" not in params and CUSTOM not in kept:
        raise PVEError(400, errors={"key": "Attempted to upload custom certificate without (existing) key."})
    try:
        certificate = load_pem_x509_certificate(params["certificates"].encode())
        if "key" in params:
            own = load_pem_private_key(params["key"].encode(), None).public_key()
            if own != certificate.public_key():
                raise PVEError(500, "certificate and key do not fit together")
    except ValueError as error:
        raise PVEError(500, f"unable to read certificate or key: {error}") from error
    kept[CUSTOM] = params["certificates"]
    return _info(CUSTOM, kept[CUSTOM])


@api("DELETE", f"{_BASE}/custom")
def remove(call: Call) -> None:
    """Forget the node's own certificate."""
    _kept(call).pop(CUSTOM, None)


def _ordered(call: Call, kind: str, doing: str) -> str:
    """Order a certificate: the lab makes it itself, for the domains of the node's configuration."""
    node, params = call.lab.node(call.params["node"]), call.params
    config = node.settings.get("config", {})
    domains = [d for d in str(config.get("acme", "")).split(",") if d.startswith("domains=")]
    names = domains[0].removeprefix("domains=").split(";") if domains else []
    names += [str(value).split(",")[0].removeprefix("domain=") for key, value in config.items() if "acmedomain" in key]
    _must_be_configured(config)
    if not names:
        raise PVEError(500, "No domains configured!")
    account = account_of(call.lab, str(config.get("acme", "")))
    if CUSTOM in _kept(call) and not params.get("force") and kind == "acmenewcert":
        raise PVEError(400, errors={"force": "Custom certificate exists but 'force' is not set."})

    async def work(task: Task) -> None:
        from atlas.lab.tls import self_signed

        task.log(f"Loading ACME account details of '{account}'")
        await task.spend(2, f"{doing} a certificate for {', '.join(names)}")
        _kept(call)[CUSTOM] = self_signed(names)
        task.log("Setting pveproxy certificate and key")

    return call.task(kind, "", work)


def _must_be_configured(config: dict[str, Any]) -> None:
    if not config:  # PVE's own text for a node that was never configured
        text = "Can't use an undefined value as a HASH reference"
        raise PVEError(500, f"{text} at /usr/share/perl5/PVE/API2/ACME.pm line 200.")


@api("POST", f"{_BASE}/acme/certificate")
def order(call: Call) -> str:
    """Order a certificate."""
    return _ordered(call, "acmenewcert", "Ordering")


@api("PUT", f"{_BASE}/acme/certificate")
def renew(call: Call) -> str:
    """Order a certificate anew."""
    if CUSTOM not in _kept(call):
        raise PVEError(500, "No current (custom) certificate found, please order a new certificate!")
    return _ordered(call, "acmerenew", "Renewing")


@api("DELETE", f"{_BASE}/acme/certificate")
def revoke(call: Call) -> str:
    """Revoke the node's certificate and forget it."""
    _must_be_configured(call.lab.node(call.params["node"]).settings.get("config", {}))
    if CUSTOM not in _kept(call):
        raise PVEError(500, "No certificate found on node!")

    async def work(task: Task) -> None:
        await task.spend(1, "Revoking old certificate")
        _kept(call).pop(CUSTOM, None)

    return call.task("acmerevoke", "", work)
