"""The lab answers recorded scenarios like the genuine server that they were recorded on."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from atlas.lab.server import Server, serve

HERE = Path(__file__).parents[1] / "reference"
FOLDER = "/srv/reference"
UPID = re.compile(r"UPID:([^:\s]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:([^:\s]*):([^:\s]*):([^:\s]+):", re.IGNORECASE)
# What differs from run to run, and what stands for it in the recordings.
TEXTS = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b[0-9A-F]{2}(:[0-9A-F]{2}){5}\b", re.IGNORECASE), "<mac>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<sha1>"),
    (re.compile(r"(?<=creation-qemu=)[^,]+|(?<=ctime=)[^,]+|(?<=running-qemu=)[^,]+"), "<v>"),
    (re.compile(r"\$(1|5|6|y|2b)\$[^\s,]+"), "<hash>"),
    (re.compile(r"PVE:[^:]+:[0-9A-F]{8}::[A-Za-z0-9+/=]+"), "<ticket>"),
    (re.compile(r"\b[0-9A-F]{8}:[A-Za-z0-9+/]{43}"), "<csrf>"),
    (re.compile(r" at /\S+\.pm line \d+\.?"), " at <place in the code>"),
]
NUMBERS = {
    *("uptime", "pid", "cpu", "mem", "disk", "netin", "netout", "diskread", "diskwrite", "ctime", "time", "localtime"),
    *("starttime", "endtime", "pstart", "used", "avail", "total", "free", "used_fraction", "snaptime", "freemem"),
    *("memhost", "wait", "pressurecpufull", "pressurecpusome", "pressureiofull", "pressureiosome"),
    *("pressurememoryfull", "pressurememorysome"),
}
WORDS = {"digest", "running-qemu", "running-machine", "repoid", "ticket", "CSRFPreventionToken"}
ANY_ORDER = {"content", "groups", "users", "nodes", "members"}
Json = Any


class Mask:
    """Put marks in the place of what differs from run to run, but for what the scenario sent itself."""

    def __init__(self, sent: str, names: dict[str, str]) -> None:
        self.sent, self.names = sent.lower(), names

    def value(self, value: Json, key: str = "") -> Json:
        if isinstance(value, dict):
            return {str(self.value(k)): self.value(v, k) for k, v in value.items()}
        if isinstance(value, list):
            masked = [self.value(item) for item in value]
            return sorted(masked) if key in ANY_ORDER and all(isinstance(v, str) for v in value) else masked
        if isinstance(value, str):
            return "<text>" if key in WORDS else self._text(value, key)
        return "<number>" if key in NUMBERS and type(value) in (int, float) else value

    def _kept(self, mark: str, match: re.Match[str]) -> str:
        return match[0] if match[0].lower() in self.sent else mark

    def _text(self, text: str, key: str) -> str:
        text = UPID.sub(r"UPID:\1:<t>:\2:\3:\4:", text)
        for pattern, mark in TEXTS:
            text = pattern.sub(functools.partial(self._kept, mark), text)
        for name in ("dir", "token", "node"):
            text = re.sub(rf"(?<![\w-]){re.escape(self.names[name])}(?![\w-])", f"{{{name}}}", text)
        if text.startswith("invalid format - format error\n"):
            first, *rest = text.rstrip("\n").split("\n")
            text = "\n".join([first, *sorted(rest)])
        return ",".join(sorted(text.split(","))) if key in ANY_ORDER and " " not in text else text.rstrip("\n")


class Client:
    """One kept connection to the lab; the server ends it after errors, then it is made anew."""

    def __init__(self, server: Server, token: str) -> None:
        self.port, self.token = server.port, token
        self.tls = ssl.create_default_context(cafile=str(server.ca_file))
        self.line: http.client.HTTPSConnection | None = None

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, bytes]:
        for attempt in (1, 2):
            if self.line is None:
                self.line = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=30)
            try:
                self.line.request(method, path, body, headers)
                answer = self.line.getresponse()
                content = answer.read()
            except (http.client.HTTPException, ConnectionError):
                self.line = None
                if attempt == 2:
                    raise
                continue
            if answer.will_close:
                self.line = None
            return answer.status, answer.reason, content
        raise AssertionError


def filled(value: Json, names: dict[str, Any]) -> Json:
    if isinstance(value, dict):
        return {filled(k, names): filled(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, names) for v in value]
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda m: str(names.get(m[1], m[0])), value)
    return value


class Run:
    """One scenario against one lab."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        text = (HERE / "scenarios" / f"{name}.yaml").read_text()
        self.scenario = yaml.safe_load(text)
        self.names: dict[str, Any] = {"node": "pve1", "dir": FOLDER, "token": client.token.partition("=")[0]}
        self.mask = Mask(text, {key: str(value) for key, value in self.names.items()})

    def answers(self) -> Iterator[dict[str, Json]]:
        try:
            for step in self.scenario["steps"]:
                yield self.step(step)
        finally:
            for step in self.scenario.get("cleanup", []):
                self.step(step)

    def call(self, head: str, values: Json, how: dict[str, Json]) -> tuple[int, str, bytes]:
        method, path = head.split(" ", 1)
        headers = {"Authorization": f"PVEAPIToken={self.client.token}"}
        if how.get("auth") is not None:
            headers = dict(how["auth"])
        path, body = f"/api2/{how.get('format', 'json')}{path}", None
        if "raw" in how:
            body = how["raw"].encode()
            headers["Content-Type"] = how.get("type", "application/x-www-form-urlencoded")
        elif "upload" in how:
            body, headers["Content-Type"] = multipart(values, how["upload"])
        elif method in ("GET", "DELETE"):
            path += f"?{urlencode(values, doseq=True)}" if values else ""
        elif how.get("json"):
            body, headers["Content-Type"] = json.dumps(values).encode(), "application/json"
        elif values:
            body = urlencode(values, doseq=True).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.client.send(method, path.replace(" ", "%20"), body, headers)

    def step(self, step: dict[str, Json]) -> dict[str, Json]:
        head = next(key for key in step if " /" in key)
        how = {key: filled(value, self.names) for key, value in step.items() if key not in (head, "until")}
        end = time.monotonic() + 2
        while True:
            seen = self.once(filled(head, self.names), filled(step[head], self.names), how)
            wanted = filled(step.get("until", ""), self.names)
            if wanted in json.dumps(seen.get("data")) or time.monotonic() > end:
                return seen

    def once(self, head: str, values: Json, how: dict[str, Json]) -> dict[str, Json]:
        status, reason, content = self.call(head, values, how)
        seen: dict[str, Json] = {"status": status, "reason": self.mask.value(reason)}
        try:
            body = json.loads(content)
        except ValueError:
            body = {"text": content.decode()[:300]} if content else {}
        for name, where in (how.get("save") or {}).items():
            self.names[name] = inside(body, where)
        data = body.get("data")
        task = data if isinstance(data, str) and UPID.fullmatch(data) and how.get("wait", True) else None
        if isinstance(data, list):
            data = [row for row in data if all(str(row.get(k)) == str(v) for k, v in how.get("pick", {}).items())]
            if how.get("sort", True):
                data.sort(key=lambda row: json.dumps(self.mask.value(row), sort_keys=True))
        if "only" in how and data is not None:
            rows = [
                {k: v for k, v in row.items() if k in how["only"]}
                for row in (data if isinstance(data, list) else [data])
            ]
            data = rows if isinstance(data, list) else rows[0]
        if how.get("body", True):
            seen["data"] = self.mask.value(data)
            rest = {key: value for key, value in body.items() if key != "data"}
            seen |= {f"body.{k}" if k in seen else k: self.mask.value(v) for k, v in rest.items()}
        if task is not None:
            seen["task"] = self.mask.value(self.ended(task))
            if not how.get("log"):
                del seen["task"]["log"]
        return seen

    def ended(self, upid: str) -> dict[str, Json]:
        path = f"/nodes/{upid.split(':')[1]}/tasks/{upid}"
        end = time.monotonic() + 10
        while time.monotonic() < end:
            state = json.loads(self.call(f"GET {path}/status", None, {})[2])["data"]
            if state["status"] == "stopped":
                log = json.loads(self.call(f"GET {path}/log", {"limit": 200}, {})[2])["data"]
                return {"exitstatus": state["exitstatus"], "log": [line["t"] for line in log]}
        return {"exitstatus": "still running", "log": []}


def multipart(values: Json, upload: dict[str, str]) -> tuple[bytes, str]:
    edge = "edge-of-a-part"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
        for k, v in (values or {}).items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="filename"; filename="{upload["as"]}"\r\n\r\n'
    parts += [head.encode() + (HERE / "files" / upload["file"]).read_bytes() + b"\r\n", f"--{edge}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={edge}"


def inside(body: Json, where: str) -> Json:
    for part in where.split("."):
        if isinstance(body, list):
            body = body[int(part)] if int(part) < len(body) else None
        else:
            body = body.get(part) if isinstance(body, dict) else None
    return body


def behaviour(answer: dict[str, Json]) -> Json:
    """What decides how a client goes on."""
    end = (answer.get("task") or {}).get("exitstatus")
    return answer["status"], answer["reason"], sorted(answer.get("errors") or {}), end


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve(tmp_path_factory.mktemp("lab"), nodes=1, latency="instant"))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Client(server, server.token("root@pam!lab"))
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.slow
def test_the_lab_answers_as_a_genuine_server_did(client: Client) -> None:
    floor = json.loads((HERE / "floor.json").read_text())
    list(Run(client, "storage-content").answers())  # it was recorded on its second run: an image stays on the storage
    known = json.loads((HERE / "differs.json").read_text())
    steps = same = exact = 0
    differing, unexplained = [], []
    for file in sorted((HERE / "scenarios").glob("*.yaml")):
        recorded = json.loads((HERE / "recordings" / f"{file.stem}.json").read_text())
        for number, (want, got) in enumerate(zip(recorded, Run(client, file.stem).answers(), strict=True)):
            step = want.pop("step")
            steps += 1
            same += behaviour(want) == behaviour(got)
            exact += want == got
            if want != got:
                differing.append(f"{file.stem}: {step}\n  expected {json.dumps(want)}\n  got      {json.dumps(got)}")
            if (want != got) != (str(number) in known.get(file.stem, {})):
                unexplained.append(
                    f"{file.stem}, step {number} ({step}): {'differs' if want != got else 'is equal now'}"
                )
    print(f"{steps} steps, behaviour equal {same} ({same / steps:.1%}), exact {exact} ({exact / steps:.1%})")
    assert unexplained == [], "differs.json says what differs and why\n" + "\n".join([*unexplained, *differing])
    assert same >= floor["behaviour"], "\n".join(differing)
    assert exact >= floor["exact"], "\n".join(differing)
