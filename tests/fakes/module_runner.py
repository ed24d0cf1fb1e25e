"""A program that runs modules of an Ansible collection, each in a fork of itself: what they import is there already."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import time
import traceback
from typing import Any

SPEED = 10
"""How much faster a module's own pauses pass: they are made for tasks of minutes, the lab's take milliseconds."""


def answer(module: str, parameters: dict[str, Any]) -> str:
    """Run a module in a child and return the last line that it wrote."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            os.dup2(into, 1)
            os.dup2(into, 2)
            _run(module, parameters)
        except SystemExit:
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001  what a module leaves is told to the test
            print(json.dumps({"failed": True, "msg": traceback.format_exc()}), flush=True)
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, encoding="utf-8") as said:
        lines = [line for line in said.read().splitlines() if line.strip()]
    os.waitpid(child, 0)
    if not lines or not lines[-1].startswith("{"):
        return json.dumps({"failed": True, "msg": "\n".join(lines) or "it said nothing"})
    return lines[-1]


def _run(module: str, parameters: dict[str, Any]) -> None:
    slept = time.sleep
    time.sleep = lambda seconds: slept(float(seconds) / SPEED)
    with importlib.import_module("ansible.module_utils.testing").patch_module_args(parameters):
        runpy.run_module(f"ansible_collections.community.proxmox.plugins.modules.{module}", run_name="__main__")


def main() -> None:
    """Read a call on each line; write what the module says on one."""
    sys.path.insert(0, sys.argv[1])
    for needed in ("ansible.module_utils.basic", "ansible.module_utils.testing", "proxmoxer", "requests"):
        importlib.import_module(needed)
    for line in sys.stdin:
        call = json.loads(line)
        print(answer(call["module"], call["parameters"]), flush=True)


if __name__ == "__main__":
    main()
