"""One small module a loader; each runs in its own environment: ``python -m peers.NAME JOB``."""
