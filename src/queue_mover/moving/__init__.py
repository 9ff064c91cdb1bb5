"""Move batches from source to target exactly once; registrations and positions."""
