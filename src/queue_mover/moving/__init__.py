"""One batch from the source to the target, exactly once, and all that a position depends on."""
