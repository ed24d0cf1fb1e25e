"""Ask the admin API of a lab that runs in a process of its own."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import quote, urlsplit

from atlas.lab.control import LabError, running

SECONDS = 30.0


class Refused(Exception):
    """The admin API refused.

    Args:
        status: The HTTP status; 400 is for faults that cannot be read.
        problems: Every reason, with its place.
    """

    def __init__(self, status: int, problems: list[str]) -> None:
        self.status, self.problems = status, problems
        super().__init__("; ".join(problems))


def ask(directory: Path, method: str, *path: str, data: object = None) -> str:
    """Make one request to the lab of a directory and return the answer's text.

    Args:
        directory: Where the lab lies.
        method: GET, POST or DELETE.
        path: The parts of the path.
        data: What is sent, as JSON.

    Raises:
        LabError: No lab runs there, or it does not answer.
        Refused: The answer is no success.
    """
    status = running(directory)
    if status is None:
        raise LabError("no lab runs here")
    admin = status["admin"]
    token = Path(admin["token_file"]).read_text(encoding="utf-8").strip()
    headers = {"Authorization": f"Bearer {token}"}
    link = http.client.HTTPConnection(urlsplit(admin["url"]).netloc, timeout=SECONDS)
    try:
        body = None if data is None else json.dumps(data)
        link.request(method, "/" + "/".join(quote(part, safe="") for part in path), body, headers)
        answer = link.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise LabError(f"the lab's admin API at {admin['url']} does not answer: {error}") from error
    finally:
        link.close()
    if answer.status != 200:
        raise Refused(answer.status, _problems(text))
    return text


def _problems(text: str) -> list[str]:
    try:
        return [str(problem) for problem in json.loads(text)["problems"]]
    except (ValueError, KeyError, TypeError):
        return [text or "it said nothing"]
