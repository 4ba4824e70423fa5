"""Where packages come from on this machine, told to pip, uv and npm alike.

On a machine behind a proxy or a mirror, pip's configuration or the usual variables name it, often
for one tool only. The sources of one tool are passed on to each other tool that has none. All other
settings (constraints, a target folder, `user`) are left out: the lock decides what is installed,
and such settings could only make the installation fail.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.setup.running import Command, SetupError, failure, run

# Of pip's settings, those that say where packages come from and how to get there.
_PIP_SETTINGS = frozenset(
    {
        *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
        *("proxy", "cert", "client-cert", "timeout", "default-timeout", "retries"),
        *("keyring-provider", "use-feature", "cache-dir", "no-cache-dir"),
    }
)
# The same of uv's variables; UV_INDEX also covers the names and passwords of single indexes.
_UV_VARIABLES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX|INDEX_\w+_(USERNAME|PASSWORD)|FIND_LINKS"
    r"|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_\w+|REQUEST_TIMEOUT|KEYRING_PROVIDER"
    r"|CACHE_DIR|NO_CACHE|OFFLINE|LINK_MODE|CONCURRENT_\w+)"
)
# Where Linux systems keep the certificates that they trust.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The environment in which each installer runs."""

    pip: Mapping[str, str]
    uv: Mapping[str, str]
    npm: Mapping[str, str]

    @property
    def index(self) -> str:
        """The package index, without a password, for a sentence."""
        named = self.uv.get("UV_DEFAULT_INDEX") or self.uv.get("UV_INDEX_URL")
        return re.sub(r"//[^/@]*@", "//", named or "https://pypi.org/simple")


def read(pip: Command, environ: Mapping[str, str]) -> Sources:
    """What this machine says, asked of its pip."""
    ended = run([*pip, "config", "list"], environment=environ)
    if ended.returncode:
        raise failure("pip cannot read its own configuration", ended, otherwise="mend that file")
    return combine(pip_settings(ended.stdout), environ)


def pip_settings(listed: str) -> dict[str, str]:
    """Read `pip config list`: what counts for `pip install`, variables over files."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found and key in _PIP_SETTINGS:
            found[section][key] = str(ast.literal_eval(value)).strip()
    merged = found["global"] | found["install"] | found[":env:"]
    return {key: value for key, value in merged.items() if value}


def combine(settings: Mapping[str, str], environ: Mapping[str, str]) -> Sources:
    """The three environments, from pip's settings and the variables."""
    bundle = _bundle(settings, environ)
    proxied = _proxied(settings, environ)
    return Sources(
        pip=_for_pip(settings, environ, bundle=bundle),
        uv=_for_uv(settings, proxied, bundle=bundle),
        npm=_for_npm(proxied, bundle=bundle),
    )


def _for_pip(
    settings: Mapping[str, str], environ: Mapping[str, str], *, bundle: str | None
) -> dict[str, str]:
    made = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    for key, value in settings.items():
        made["PIP_" + key.upper().replace("-", "_")] = value
    index = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    if index:
        made.setdefault("PIP_INDEX_URL", re.sub(r"^[\w.-]+=", "", index))
    if bundle:
        made.setdefault("PIP_CERT", bundle)
    # All that counts of the configuration files is in variables by now.
    return made | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def _for_uv(
    settings: Mapping[str, str], environ: Mapping[str, str], *, bundle: str | None
) -> dict[str, str]:
    made = {
        name: value
        for name, value in environ.items()
        if not name.startswith("UV_") or _UV_VARIABLES.fullmatch(name)
    }
    if "index-url" in settings and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & made.keys():
        made["UV_DEFAULT_INDEX"] = settings["index-url"]
    if "extra-index-url" in settings and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & made.keys():
        made["UV_INDEX"] = " ".join(settings["extra-index-url"].split())
    folders = [one for one in settings.get("find-links", "").split() if _is_there(one)]
    if folders:
        made.setdefault("UV_FIND_LINKS", ",".join(folders))
    for key, name in (("trusted-host", "UV_INSECURE_HOST"), ("client-cert", "SSL_CLIENT_CERT")):
        if key in settings:
            made.setdefault(name, " ".join(settings[key].split()))
    if settings.get("keyring-provider") == "subprocess":
        made.setdefault("UV_KEYRING_PROVIDER", "subprocess")
    timeout = settings.get("timeout") or settings.get("default-timeout")
    if timeout:
        made.setdefault("UV_HTTP_TIMEOUT", timeout.partition(".")[0])
    _trust_for_uv(made, bundle)
    # Hashes decide which file is right, so that any index may serve it.
    return made | {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}


def _trust_for_uv(made: dict[str, str], bundle: str | None) -> None:
    """By itself uv trusts the public authorities alone, and not what this machine adds."""
    if {"SSL_CERT_FILE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"} & made.keys():
        return
    if bundle:
        made["SSL_CERT_DIR" if Path(bundle).is_dir() else "SSL_CERT_FILE"] = bundle
    elif sys.platform == "darwin":
        made["UV_SYSTEM_CERTS"] = "true"


def _for_npm(environ: Mapping[str, str], *, bundle: str | None) -> dict[str, str]:
    made = dict(environ)
    if bundle and Path(bundle).is_file():
        made.setdefault("NODE_EXTRA_CA_CERTS", bundle)
    made.setdefault("NODE_USE_SYSTEM_CA", "1")
    # By itself npm waits more than a minute before it says that there is no network.
    made.setdefault("npm_config_fetch_retry_mintimeout", "1000")
    made.setdefault("npm_config_fetch_retry_maxtimeout", "5000")
    return made


def _bundle(settings: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """The certificates to trust: those that pip would, else the system's."""
    named = {
        "pip's setting `cert`": settings.get("cert"),
        **{name: environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")},
        "SSL_CERT_FILE": environ.get("SSL_CERT_FILE"),
    }
    for name, path in named.items():
        if path and not Path(path).exists():
            raise SetupError(f"{name} names {path}, which is not there: correct or unset it.")
    chosen = next((path for path in named.values() if path), None)
    if chosen or sys.platform == "darwin":
        return chosen
    return next((path for path in _SYSTEM_BUNDLES if Path(path).is_file()), None)


def _proxied(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the proxy that only pip had been told of."""
    made = dict(environ)
    proxy = settings.get("proxy")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    for name in ("HTTPS_PROXY", "HTTP_PROXY") if proxy else ():
        if name not in environ and name.lower() not in environ:
            made[name] = str(proxy)
    return made


def _is_there(place: str) -> bool:
    """Whether uv can use a place of `find-links`: pip passes over a missing folder, uv stops."""
    return "://" in place or Path(place).is_dir()
