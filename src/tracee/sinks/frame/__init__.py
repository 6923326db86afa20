"""What all sinks have in common."""
