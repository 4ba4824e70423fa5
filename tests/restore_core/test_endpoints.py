from __future__ import annotations

import pytest

from restore_core.endpoints import Origin


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Arm.Example/x?y#z", ("https", "arm.example", 443)),
        ("HTTPS://arm.example:443", ("https", "arm.example", 443)),
        ("http://arm.example", ("http", "arm.example", 80)),
        ("http://[::1]:8084/", ("http", "::1", 8084)),
        ("https://arm.example:0/", ("https", "arm.example", 0)),
    ],
)
def test_an_origin_is_scheme_host_and_port_as_parsed(
    url: str, origin: tuple[str, str, int]
) -> None:
    read = Origin.of(url)
    assert (read.scheme, read.host, read.port) == origin
    assert read.is_loopback is (read.host == "::1")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "arm.example",
            "/path",
            "//arm.example",
            "ftp://arm.example",
            "https://",
            "https:///x",
        ),
        *("https://u@arm.example", "https://u:p@arm.example", "https://:@arm.example"),
        *("https://arm.example:port", "https://arm.example:70000", "https://[::1"),
        # Two readers of these could see two hosts.
        *("https://ﬁ.example", "https://arm\u017f.example", "https://a\u212a.example"),
    ],
)
def test_what_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Origin.of(url)
