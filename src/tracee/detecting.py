"""Signatures beside a tracer, as far as its plan needs any. What runs them is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Tracer
    from tracee.detect.engine import Detector
    from tracee.policy import Plan


class Detecting:
    """The signatures of the plan that a tracer goes by."""

    def __init__(self, tracer: Tracer) -> None:
        """None runs yet."""
        self._tracer = tracer
        self._detector: Detector | None = None

    def use(self, plan: Plan) -> Plan:
        """Makes ready those that a plan needs, which it returns; before the tracer goes by it."""
        if plan.signatures:
            if not self._detector:
                from tracee.detect.engine import Detector

                self._detector = Detector(self._tracer)
            self._detector.use(plan)
        return plan

    def look(self) -> None:
        """Tells what went wrong since the last time."""
        if self._detector:
            self._detector.look()

    def close(self) -> None:
        """Lets them come to an end; the tracer has ended."""
        if self._detector:
            self._detector.close()

    def counters(self) -> dict[str, dict[str, int | float]]:
        """By signature and by name: what each was given and found."""
        return self._detector.counters() if self._detector else {}
