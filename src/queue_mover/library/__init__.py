"""Movers inside other programs; `queue_mover` exports what is public."""
