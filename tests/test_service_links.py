"""Variables that Kubernetes sets are told from settings that are typed wrongly, by name and form of value."""

from __future__ import annotations

import pytest

from pulltasks.service_links import is_service_link

LINKS = {
    "SERVICE_HOST": ["10.0.0.1", "fd00::1"],
    "SERVICE_PORT": ["80", "65535"],
    "SERVICE_PORT_HTTP": ["80"],
    "PORT": ["tcp://10.0.0.1:80", "udp://10.0.0.1:53", "tcp://[fd00::1]:80"],
    "PORT_80_TCP": ["tcp://10.0.0.1:80"],
    "PORT_80_TCP_PROTO": ["tcp"],
    "PORT_80_TCP_PORT": ["80"],
    "PORT_80_TCP_ADDR": ["10.0.0.1", "fd00::1"],
    "PORT_53_UDP_PROTO": ["udp"],
    "PORT_9_SCTP": ["sctp://10.0.0.1:9"],
}
SERVICES = ["PULLTASKS", "PULLTASKS_WEBSERVER", "PULLTASKS_API", "PULLTASKS_LAKE", "PULLTASKS_CONFIG", "PULLTASKS_2"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("name", "values"), LINKS.items())
def test_what_kubernetes_sets_is_known(service: str, name: str, values: list[str]) -> None:
    assert all(is_service_link(f"{service}_{name}", value) for value in values)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PULLTASKS_PORT", "8080"),
        ("PULLTASKS_PORT", "tcp://host:80"),
        ("PULLTASKS_PORT", "http://10.0.0.1:80"),
        ("PULLTASKS_PORT", "tcp://10.0.0.1"),
        ("PULLTASKS_SERVICE_HOST", "example.com"),
        ("PULLTASKS_SERVICE_PORT", "0"),
        ("PULLTASKS_SERVICE_PORT", "99999"),
        ("PULLTASKS_SERVICE_PORTS", "80"),
        ("PULLTASKS_PORT_80_TCP_PROTO", "http"),
        ("PULLTASKS_PORT_80_HTTP", "tcp://10.0.0.1:80"),
    ],
)
def test_what_only_looks_like_it_is_not(variable: str, value: str) -> None:
    assert not is_service_link(variable, value)
