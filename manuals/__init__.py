"""The manual pages, the shell completions and two references, made for `make docs`.

`man/NAME.SECTION.md` holds the prose of a page; what the program knows (switches, parameters, the
columns of the status) is put into it from the parsers and the one table. `completions/` comes from
the parsers alone, `docs/messages.md` from the program's source and `messages.toml`,
`docs/schemas.md` from the comments in the SQL files.
"""
