"""What the lab needs with 2,000 guests on 3 nodes: its start, the list of everything, memory, 200 clones at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from atlas.lab import control
from atlas.lab.entities import GIB, Guest, Pool, Volume
from atlas.lab.server import serve
from atlas.lab.world import Lab

GUESTS, CLONES, READS = 2000, 200, 60
TEMPLATE = 9000
# What a genuine node answers too when everybody clones at once: its lock of a storage or template is waited for.
PVE_ALSO = ("got timeout", "locked")


def fill(lab: Lab) -> None:
    """Put the guests in, each with a disk, a network card, tags, in one of twenty pools; half of them run."""
    pools = [Pool(f"team-{number}") for number in range(20)]
    for number in range(GUESTS):
        vmid, node = 10000 + number, f"pve{number % 3 + 1}"
        volid = f"local-lvm:vm-{vmid}-disk-0"
        lab.volumes[f"{node}/{volid}"] = Volume(
            volid, "local-lvm", "images", "raw", 8 * GIB, node=node, used=GIB // 8, vmid=vmid, path=f"{node}/{vmid}"
        )
        config = {"name": f"web-{number}", "cores": 2, "memory": "2048", "scsi0": f"{volid},size=8G", "tags": "bench"}
        config |= {
            "net0": f"virtio=BC:24:11:00:{number // 256:02X}:{number % 256:02X},bridge=vmbr0",
            "boot": "order=scsi0",
        }
        running = number % 2 == 0
        lab.guests[str(vmid)] = Guest(
            vmid, "qemu", node, config, status="running" if running else "stopped", started_at=time.time()
        )
        pools[number % 20].vms[str(vmid)] = 1
    lab.pools.update({pool.poolid: pool for pool in pools})


class Client:
    """One kept connection with the working token."""

    def __init__(self, status: dict[str, Any]) -> None:
        port = int(status["url"].rpartition(":")[2])
        context = ssl.create_default_context(cafile=status["ca_file"])
        self.line = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=120)
        self.headers = {"Authorization": f"PVEAPIToken={status['token']}"}

    def call(self, method: str, path: str, **values: Any) -> tuple[int, str, Any]:
        """Return a call's status, reason and data."""
        status, reason, content = self.read(method, path, **values)
        return status, reason, json.loads(content).get("data")

    def read(self, method: str, path: str, **values: Any) -> tuple[int, str, bytes]:
        """Return a call's status, reason and body."""
        body = urlencode(values) if values else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        self.line.request(method, f"/api2/json{path}", body, self.headers | kind)
        answer = self.line.getresponse()
        content = answer.read()
        if answer.will_close:
            self.line.close()
        return answer.status, answer.reason, content


def clone(status: dict[str, Any], vmid: int) -> str:
    """Clone the template and return how that ended."""
    client = Client(status)
    answered, reason, upid = client.call("POST", f"/nodes/pve1/qemu/{TEMPLATE}/clone", newid=vmid, name=f"clone-{vmid}")
    if answered != 200:
        return reason
    while True:
        state = client.call("GET", f"/nodes/pve1/tasks/{upid}/status")[2]
        if state["status"] == "stopped":
            return str(state["exitstatus"])
        time.sleep(0.2)  # a task's status is polled, as every client of PVE does


def processor(pid: int) -> float:
    """Return the processor time that a process has taken, in ms: the machine's load does not touch it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid: int) -> float:
    """Return the most memory that a process has held, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def rows() -> Iterator[tuple[str, float, str, int, str]]:
    """Yield what was measured: its name, figure, unit, aim and a remark."""
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as name:
        folder = Path(name)

        async def prepare() -> None:
            server = await serve(folder, latency="instant")
            fill(server.lab)
            await server.close(stop=False)

        asyncio.run(prepare())
        begun = time.perf_counter()
        status = control.start(folder, latency="realistic")
        took = (time.perf_counter() - begun) * 1000
        yield f"lab: start with {GUESTS} guests", took, "ms", 1000, f"{processor(status['pid']):.0f} ms of it computing"
        try:
            client, taken, computed = Client(status), [], processor(status["pid"])
            for _ in range(READS):
                begun = time.perf_counter()
                content = client.read("GET", "/cluster/resources")[2]
                taken.append(time.perf_counter() - begun)
            assert len(json.loads(content)["data"]) > GUESTS
            each = (processor(status["pid"]) - computed) / READS
            worst = statistics.quantiles(taken, n=20)[-1] * 1000
            yield "lab: cluster/resources, p95", worst, "ms", 50, f"{each:.0f} ms computing for each"
            begun = time.perf_counter()
            with ThreadPoolExecutor(CLONES) as pool:
                ends = list(pool.map(lambda vmid: clone(status, vmid), range(20000, 20000 + CLONES)))
            wrong = [end for end in ends if end != "OK" and not any(word in end for word in PVE_ALSO)]
            refused = sum(end != "OK" for end in ends) - len(wrong)
            how = f"in {time.perf_counter() - begun:.1f} s, {refused} timed out as on PVE"
            yield f"lab: {CLONES} clones at once", len(wrong), "wrong", 0, how
            if wrong:
                sys.stderr.write("".join(f"  {end}\n" for end in sorted(set(wrong))))
            yield "lab: memory, most", peak(status["pid"]), "MB", 300, ""
        finally:
            control.stop(folder)


def main() -> None:
    """Measure and print a line for each."""
    for name, found, unit, aim, remark in rows():
        print(f"{name:32} {found:7.0f} {unit}, aim {aim}{remark and ', '}{remark}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
