"""What pgqadm does to a database: one function per command."""
