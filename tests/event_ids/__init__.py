"""Event IDs kept: keep_event_id = 1."""
