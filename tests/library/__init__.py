"""`from queue_mover import Mover`, and the examples."""
