"""The SQL calls to PgQ, pgq_ext and the schema queue_mover."""
