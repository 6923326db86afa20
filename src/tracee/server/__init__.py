"""How tracee fares, for monitors: ``/metrics``, ``/healthz``, ``/readyz``."""
