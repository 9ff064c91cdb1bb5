"""Everything that is said to PgQ and pgq_ext."""
