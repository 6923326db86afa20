"""Filters name the parts of what packets tell."""

import pytest

from tracee.policy.plan import nearest_field_hint, with_field

EVENTS = ["openat", "net_packet_tcp", "net_packet_http_request", "net_packet_dns"]


@pytest.mark.parametrize(
    ("field", "holders"),
    [
        ("data.proto_tcp.SYN", ["net_packet_tcp"]),
        ("data.metadata.direction", EVENTS[1:]),
        ("data.metadata.src_ip", ["net_packet_http_request"]),
        ("data.http_request.headers.User-Agent", ["net_packet_http_request"]),
        ("data.proto_dns.answers.MX.name", ["net_packet_dns"]),
        ("data.src", ["net_packet_tcp", "net_packet_dns"]),
        ("data.proto_tcp", []),
        ("data.http_request.headers", []),
    ],
)
def test_events_that_have_a_field(field: str, holders: list[str]) -> None:
    assert with_field(field, EVENTS) == holders


def test_a_part_spelt_wrong_is_shown_the_right_way() -> None:
    assert "data.proto_tcp.window" in nearest_field_hint("data.proto_tcp.windw", EVENTS)
