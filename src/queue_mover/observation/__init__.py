"""Read-only questions to both sides, and what is wrong by the answers."""
