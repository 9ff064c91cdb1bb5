"""Metrics, health and a page over HTTP, from threads that no mover waits for."""
