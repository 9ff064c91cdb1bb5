"""The commands: switches and exit codes, and the only places that print."""
