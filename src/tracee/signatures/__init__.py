"""The detections that come with tracee: a file each, named after its event."""
