"""The operating system: pidfile, background, signals, limits, logs."""
