"""Observations as text and as JSON."""
