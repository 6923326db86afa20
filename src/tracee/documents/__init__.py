"""What people write in YAML, read so that each mistake is told with its line."""
