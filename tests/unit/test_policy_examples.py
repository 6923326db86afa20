"""The policies that stand in examples/: all can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracee.policy.reader import plan_from_files

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
USABLE = {
    "compliance-audit": ["compliance-audit"],
    "comprehensive-monitoring": ["comprehensive-monitoring"],
    "container-anomaly-detection": ["container-anomaly-detection"],
    "container-escape-detection": ["container-escape-detection"],
    "crypto-mining-detection": ["crypto-mining-detection"],
    "host-and-containers": ["host-monitoring", "production-containers"],
    "kubernetes-pod-monitoring": ["kubernetes-pod-monitoring"],
    "minimal-monitoring": ["minimal-monitoring"],
    "pci-dss-file-access": ["pci-dss-file-access"],
    "reverse-shell-detection": ["reverse-shell-detection"],
    "sensitive-files-monitor": ["sensitive-files-monitor"],
    "user-activity-audit": ["user-activity-audit"],
}


def test_every_example_is_listed() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == USABLE.keys()


@pytest.mark.parametrize("name", USABLE)
def test_usable(name: str) -> None:
    plan = plan_from_files([str(FOLDER / f"{name}.yaml")])
    assert [policy.name for policy in plan.policies] == USABLE[name]


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.stem)
def test_every_policy_says_what_it_is_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("kind: Policy") == text.count("\n    description: ")


def test_the_policies_in_the_documentation_can_be_used(tmp_path: Path) -> None:
    pages = [FOLDER.parents[1] / "docs" / page for page in ("policies.md", "detections/README.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "x.yaml").write_text("---\n".join(blocks))
    assert len(plan_from_files([str(tmp_path)]).policies) == len(blocks) > 0
