"""The commands: switches, exit codes, and the only code that prints."""
