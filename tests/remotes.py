"""Repositories of others: bare ones on this disk, and a local server that serves them over HTTP as hosts do."""

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

IDENTITY = {
    "GIT_AUTHOR_NAME": "Somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
}
OWN: Mapping[str, str] = {}
FILES: Mapping[str, str | bytes] = {"README.md": "A repository.\n", "src/one.txt": "one\n", "src/two.txt": "two\n"}


def git(
    *words: str | Path,
    directory: Path | None = None,
    given: bytes = b"",
    check: bool = True,
    environment: Mapping[str, str] = OWN,
) -> str:
    """What git answers to somebody who is not the board."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-c", "gc.auto=0", *map(str, words)],
        cwd=directory,
        input=given,
        capture_output=True,
        check=False,
        env=_own() | IDENTITY | dict(environment),
    )
    assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="surrogateescape").strip()


def _own() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


def bare(path: Path, *, branch: str = "trunk", files: Mapping[str, str | bytes] = FILES, commits: int = 1) -> Path:
    """A bare repository whose default branch has these files, or nothing if there are none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", path)
    git("config", "http.receivepack", "true", directory=path)
    git("config", "uploadpack.allowAnySHA1InWant", "true", directory=path)
    if files:
        commit(path, files, branch=branch)
        for number in range(1, commits):
            commit(path, {"count.txt": f"{number}\n"}, branch=branch)
    return path


def commit(path: Path, files: Mapping[str, str | bytes | None], *, branch: str = "trunk", message: str = "A change") -> str:
    """One commit more on a branch of a bare repository, as somebody else pushed it; None takes a file away."""
    index = path / f"index-{threading.get_ident()}"
    own = {"GIT_DIR": str(path), "GIT_INDEX_FILE": str(index)}
    before = git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", directory=path, check=False)
    try:
        git("read-tree", before or "--empty", environment=own)
        rows = [f"0 {'0' * 40}\t{name}" if content is None else _row(name, content, own) for name, content in files.items()]
        git("update-index", "--index-info", given="\n".join([*rows, ""]).encode(), environment=own)
        parents = ("-p", before) if before else ()
        sha = git("commit-tree", *parents, "-m", message, git("write-tree", environment=own), environment=own)
    finally:
        index.unlink(missing_ok=True)
    git("update-ref", f"refs/heads/{branch}", sha, directory=path)
    return sha


def _row(name: str, content: str | bytes, own: Mapping[str, str]) -> str:
    given = content.encode() if isinstance(content, str) else content
    return f"100644 {git('hash-object', '-w', '--stdin', given=given, environment=own)}\t{name}"


def branch_from(path: Path, name: str, *, base: str = "trunk") -> None:
    git("branch", name, base, directory=path)


def head(path: Path, branch: str = "trunk") -> str | None:
    """The commit of a branch, None where there is none."""
    return git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", directory=path, check=False) or None


def shown(path: Path, name: str, *, branch: str = "trunk") -> str:
    """The content of a file on a branch."""
    return git("show", f"refs/heads/{branch}:{name}", directory=path)


def url_of(path: Path) -> str:
    return path.resolve().as_uri()


@dataclass
class Host:
    """A server of all bare repositories below `root`; what it is told to do holds from the next request on.

    `token` set, it demands that and `user`. `stalls` has requests of packs wait until `release` is called, but for the
    first that it `spares`. `cuts` ends the answer after so many bytes, `refuses` answers with a status, `redirects` sends
    the client to another address.
    """

    root: Path
    url: str = ""
    user: str = "git"
    token: str | None = None
    stalls: bool = False
    spares: int = 0
    cuts: int | None = None
    refuses: int | None = None
    redirects: str | None = None
    requests: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def url_of(self, path: Path) -> str:
        return f"{self.url}/{path.relative_to(self.root)}"

    def stall(self) -> None:
        """Stall again after `release`."""
        self._released.clear()
        self.stalls = True

    def release(self) -> None:
        self._released.set()

    def spared(self) -> bool:
        self.spares -= 1
        return self.spares >= 0


@contextmanager
def serving(root: Path, *, user: str = "git", token: str | None = None) -> Iterator[Host]:
    """Serve the bare repositories below a directory on a port of this machine."""
    host = Host(root, user=user, token=token)

    class Handler(_Handler):
        served = host

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.release()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Host

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        host = self.served
        host.requests.append(f"{self.command} {self.path}")
        body = self._body()
        if host.refuses is not None:
            self._plain(host.refuses)
        elif host.redirects is not None:
            self._plain(302, Location=host.redirects + self.path)
        elif host.token is not None and not self._is_welcome():
            self._plain(401, **{"WWW-Authenticate": 'Basic realm="repositories"'})
        else:
            if host.stalls and self.path.endswith("git-upload-pack") and not host.spared():
                host.stalled.set()
                host._released.wait()
            self._serve(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _is_welcome(self) -> bool:
        given = self.headers.get("Authorization", "")
        wanted = base64.b64encode(f"{self.served.user}:{self.served.token}".encode()).decode()
        if given:
            self.served.authorized.append(given)
        return given == f"Basic {wanted}"

    def _plain(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = _own() | {
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": self.served.user,
            "REMOTE_ADDR": "127.0.0.1",
        }
        program = [shutil.which("git") or "git", "-c", "safe.directory=*", "http-backend"]
        answer = subprocess.run(program, input=body, env=environment, capture_output=True, check=False).stdout
        told, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in told.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.served.cuts if parts.path.endswith("git-upload-pack") else None
        # Whoever asked may have been killed.
        with suppress(ConnectionError):
            self.wfile.write(content if cut is None else content[:cut])
