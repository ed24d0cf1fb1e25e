"""A server of chat completions on the wire: it answers what it was told, and remembers what it got."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


class ModelServer:
    """The running server; `answer` makes a status and a body of each request."""

    def __init__(self, answer: Callable[[dict[str, Any]], Answer], delay: float) -> None:
        self.requests: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, "auth": self.headers.get("Authorization"), **body})
                if delay:
                    time.sleep(delay)  # the time that this model thinks
                status, data = answer(body)
                raw = data.encode() if isinstance(data, str) else json.dumps(data).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up, as the test wants

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the signature is the library's
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def model_server(answer: Callable[[dict[str, Any]], Answer], delay: float = 0) -> Iterator[ModelServer]:
    server = ModelServer(answer, delay)
    try:
        yield server
    finally:
        server.close()


def call(arguments: Any, name: str = "fill_draft") -> Answer:
    """Make an answer that calls a tool."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    tool_call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    message = {"role": "assistant", "content": None, "tool_calls": [tool_call]}
    return 200, completion(message, "tool_calls")


def completion(message: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    """Make the body of an answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
    }
