"""Detections: what a signature is, what it is given, and what it says.

A signature is a class in one file. It says which events it wants to see, by the filters of the command line, so that
what it does not want never leaves the kernel; it is given those, one by one; and it tells what it finds, which then
is an event like any other.
"""

from tracee.detect.context import Context
from tracee.detect.metadata import Field, Metadata, Severity
from tracee.detect.selected import Selected
from tracee.detect.signals import Signal, SignalKind
from tracee.detect.signature import Finding, Signature

__all__ = ["Context", "Field", "Finding", "Metadata", "Selected", "Severity", "Signal", "SignalKind", "Signature"]
