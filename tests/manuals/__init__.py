"""The manual pages and the shell completions."""
