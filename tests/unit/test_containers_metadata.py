"""What is kept of what a runtime tells: whoever starts a container wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracee.containers.metadata import (
    LABELS,
    LABELS_CHARACTERS,
    TEXT,
    digest_of,
    labels,
    pod_of,
    text,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
)


@given(ANYTHING)
def test_text_can_always_be_written_out(value: object) -> None:
    kept = text(value)
    assert len(kept) <= TEXT
    kept.encode("utf-8")


@given(ANYTHING)
def test_labels_are_bounded(value: object) -> None:
    kept = labels(value)
    assert len(kept) <= LABELS
    assert sum(len(key) + len(value) for key, value in kept.items()) <= LABELS_CHARACTERS
    for one in (*kept, *kept.values()):
        one.encode("utf-8")


def test_a_label_that_has_no_room_is_left_out_whole_and_the_others_stay() -> None:
    many = {f"label-{number:04}": "v" for number in range(LABELS * 2)}
    assert list(labels(many)) == sorted(many)[:LABELS]
    huge = {"a": "small", "b": "x" * LABELS_CHARACTERS, "c": "small", "d" * (TEXT + 1): "key too long"}
    assert labels(huge) == {"a": "small", "c": "small"}


def test_labels_are_text_alone() -> None:
    assert labels({"a": "b", "c": 1, 2: "d", "e": None}) == {"a": "b"}
    assert labels([("a", "b")]) == labels(None) == labels("a=b") == {}


@pytest.mark.parametrize(
    ("reference", "digest"),
    [
        ("docker.io/library/nginx@sha256:0123", "sha256:0123"),
        ("sha256:0123", "sha256:0123"),
        ("nginx:1.27", ""),
        ("0123", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_digests(reference: object, digest: str) -> None:
    assert digest_of(reference) == digest


def test_the_pod_by_labels() -> None:
    named = {"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "1-2"}
    assert tuple(pod_of(named)) == ("web", "shop", "1-2")
    assert tuple(pod_of({"io.kubernetes.pod.name": "web"})) == ("web", "", "")
