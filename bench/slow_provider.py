"""`python -m bench.slow_provider SECONDS`: an embeddings endpoint that takes that long a request.

Its vectors are made of random numbers drawn once, so that its own work is next to nothing.
"""

import base64
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

DIMENSIONS = 300
DRAWN = np.random.default_rng(4).standard_normal((4096, DIMENSIONS)).astype(np.float32) / 20
READY = [base64.b64encode(row.tobytes()).decode() for row in DRAWN]


class Handler(BaseHTTPRequestHandler):
    """POST /v1/embeddings."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet: of two the second waits 40 ms for the first one's receipt.
    wbufsize = -1
    delay_s = float(sys.argv[1])

    def do_POST(self) -> None:  # its base's name
        """The vectors, after the delay."""
        started = time.perf_counter()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        data = [
            {"object": "embedding", "index": place, "embedding": READY[hash(text) % len(READY)]}
            for place, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": body["model"], "data": data, "usage": usage}
        text = json.dumps(answer).encode()
        time.sleep(max(self.delay_s - (time.perf_counter() - started), 0))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        server.serve_forever()
