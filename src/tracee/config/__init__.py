"""What a run goes by: flags, environment variables and configuration files become one ``Settings``."""
