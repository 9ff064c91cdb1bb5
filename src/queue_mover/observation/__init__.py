"""Read the state of both sides, and find what is wrong with it."""
