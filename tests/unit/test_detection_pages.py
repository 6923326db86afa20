"""Every detection has its page, and its row in the table of them."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import tracee.signatures
from tracee.detect import Metadata, Signature

DOCS = Path(__file__).parents[2] / "docs" / "detections"
NAMES = [module.name for module in pkgutil.iter_modules(tracee.signatures.__path__) if not module.ispkg]
SECTIONS = ("What", "Why", "How it can be evaded", "How to tune it")


def metadata_of(name: str) -> Metadata:
    module = importlib.import_module(f"tracee.signatures.{name}")
    made_here = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (signature,) = [value for value in made_here if isinstance(value, type) and issubclass(value, Signature)]
    return signature.metadata


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_the_metadata_say(name: str) -> None:
    metadata = metadata_of(name)
    assert metadata.event_name == name
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    for section in SECTIONS:
        assert f"\n## {section}\n" in page
    technique = f"{metadata.technique_id} {metadata.technique}"
    row = f"| [{name}]({name}.md) | {metadata.id} | {int(metadata.severity)} | {technique} |"
    assert row in (DOCS / "README.md").read_text(encoding="utf-8").splitlines()


def test_ids_are_unique() -> None:
    ids = [metadata_of(name).id for name in NAMES]
    assert len(ids) == len(set(ids))
