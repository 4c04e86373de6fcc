"""The page of a run, served to this machine's browser while the run goes on.

Only 127.0.0.1 is listened on, and only who knows the token in the address is answered. A request
must name this server as its host (so that no name of another site leads here), and one that
changes something must come from this page (``Origin``).
"""

from __future__ import annotations

import html
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from plugnas.modules import PlugnasError
from plugnas.nas.report.live import Live, WatchError
from plugnas.nas.report.markup import asset, filled

ADDRESS = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Serves one run under ``url``; port 0 takes any that is free."""

    daemon_threads = True

    def __init__(self, live: Live, port: int = 0) -> None:
        self.live, self.token = live, secrets.token_urlsafe(18)
        super().__init__((ADDRESS, port), _Handler)

    @property
    def hosts(self) -> tuple[str, ...]:
        """How a browser may call this server."""
        return tuple(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.hosts[0]}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version = "plugnas"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page, the report in it, or the state."""
        live = self.server.live
        made: dict[str, Callable[[], tuple[str, str]]] = {
            "": lambda: (shell(live.state()["name"]), "text/html"),
            "report": lambda: (live.report(), "text/html"),
            "state": lambda: (json.dumps(live.state()), "application/json"),
        }
        name = self._asked()
        if name is None:
            return
        if name not in made:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing is served here")
            return
        try:
            self._send(HTTPStatus.OK, *made[name]())
        except PlugnasError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def do_POST(self) -> None:
        """Stop or resume the run."""
        done = {"stop": self.server.live.stop, "resume": self.server.live.resume}
        name = self._asked()
        if name is None:
            return
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may ask for this")
        elif name not in done:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing is done here")
        else:
            try:
                done[name]()
                self._send(HTTPStatus.OK, "{}", "application/json")
            except (WatchError, OSError) as error:
                self._refuse(HTTPStatus.CONFLICT, str(error))

    def _asked(self) -> str | None:
        """Return what is asked for under the token; None where the request was refused."""
        host, path = self.headers.get("Host", ""), self.path.partition("?")[0]
        token, _, name = path.lstrip("/").partition("/")
        same = self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        if host not in self.server.hosts or not same:
            self._refuse(HTTPStatus.FORBIDDEN, "another site may not ask here")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address lacks the token that nas watch printed")
        else:
            return name
        return None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(status, reason, "text/plain")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "Cross-Origin-Resource-Policy": "same-origin",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a request every second is no news."""


def shell(name: str) -> str:
    """Return the page around the report: how far the run is, and its buttons."""
    return filled(
        "watch.html", style=asset("watch.css"), script=asset("watch.js"), TITLE=html.escape(name)
    )


def serve(live: Live, port: int, tell: Callable[[str], None]) -> None:
    """Serve a run until Ctrl-C; ``tell`` hears the address.

    Raises:
        WatchError: the port is taken.
    """
    try:
        server = Server(live, port)
    except OSError as error:
        raise WatchError(f"port {port} is not free: {error.strerror}; leave --port out") from None
    with server:
        tell(server.url)
        server.serve_forever(poll_interval=0.2)


__all__ = ["ADDRESS", "Server", "serve", "shell"]
