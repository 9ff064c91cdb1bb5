"""Connections, statements, locks, and the translation of psycopg's errors into ours."""
