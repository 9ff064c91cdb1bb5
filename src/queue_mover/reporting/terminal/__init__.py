"""What a foreground run shows on a terminal. Nothing here is imported unless it is shown."""
