"""pgqadm: one function for each command.

Each takes a connection in autocommit mode and plain arguments, and returns frozen values or
lines of text. Nothing here prints, and nothing else imports this.
"""
