"""The manual pages and the shell completions, made for `make docs`.

`man/NAME.SECTION.md` holds the prose of a page; what the program knows (switches, parameters, the
columns of the status) is put into it from the parsers and the one table. `completions/` comes from
the parsers alone.
"""
