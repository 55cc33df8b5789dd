"""The environment and the options of every git that is run: its own, so that nobody else's files decide what it does."""

import os
from collections.abc import Mapping
from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND")
NO_PROTOCOL = "none"
# Whatever a configuration says, these win: they come last.
OPTIONS = tuple(
    word
    for option in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.untrackedCache=false",
        "core.attributesFile=/dev/null",
        "credential.helper=",
        "gc.auto=0",
        "maintenance.auto=false",
        "protocol.ext.allow=never",
        "safe.directory=*",
        "submodule.recurse=false",
        "fetch.recurseSubmodules=false",
        "commit.gpgSign=false",
        "core.quotePath=false",
        "advice.detachedHead=false",
    )
    for word in ("-c", option)
)
NETWORK_OPTIONS = tuple(
    word
    for option in (
        "http.followRedirects=false",
        "http.lowSpeedLimit=64",
        "http.lowSpeedTime=120",
        "push.gpgSign=false",
    )
    for word in ("-c", option)
)


def local(home: Path) -> dict[str, str]:
    """For work on files alone: no network, no credentials, no questions."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_CEILING_DIRECTORIES": str(home.parent),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_ALLOW_PROTOCOL": NO_PROTOCOL,
    }


def remote(home: Path, *, scheme: str, askpass: Path, credential: Mapping[str, str]) -> dict[str, str]:
    """For one call over one protocol, with the credential of its origin where there is one."""
    passed = {name: value for name in (*_PROXIES, *_TRUSTED) if (value := os.environ.get(name))}
    own = {"GIT_ALLOW_PROTOCOL": scheme, "GIT_ASKPASS": str(askpass), "GIT_SSH_VARIANT": "ssh"}
    return {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes"} | local(home) | passed | own | dict(credential)
