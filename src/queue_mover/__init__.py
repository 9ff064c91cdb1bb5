"""Moves events from one PgQ queue into another, exactly once."""

__version__ = "4.0.0"
