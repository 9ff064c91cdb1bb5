"""Print what `status` has read and found, as text or JSON."""
