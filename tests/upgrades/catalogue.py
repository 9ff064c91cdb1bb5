"""What a database has in our schemas, for comparison: nothing that depends on the order of work."""

import psycopg
from psycopg import sql

PARTS: dict[str, sql.SQL] = {
    "schemas": sql.SQL("""
        select nspname, nspacl::text[], obj_description(oid, 'pg_namespace')
          from pg_namespace where nspname = any (%(schemas)s)"""),
    "relations": sql.SQL("""
        select c.oid::regclass::text, relkind, relpersistence, relacl::text[],
               obj_description(c.oid, 'pg_class')
          from pg_class c where relnamespace::regnamespace::text = any (%(schemas)s)"""),
    "columns": sql.SQL("""
        select attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod),
               attnotnull, attidentity, pg_get_expr(adbin, adrelid), attacl::text[],
               col_description(attrelid, attnum)
          from pg_attribute a
          join pg_class c on c.oid = attrelid
          left join pg_attrdef d on (adrelid, adnum) = (attrelid, attnum)
         where relnamespace::regnamespace::text = any (%(schemas)s) and relkind = 'r'
           and attnum > 0"""),
    "constraints": sql.SQL("""
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          from pg_constraint where connamespace::regnamespace::text = any (%(schemas)s)"""),
    "functions": sql.SQL("""
        select oid::regprocedure::text, pg_get_functiondef(oid), proacl::text[],
               obj_description(oid, 'pg_proc')
          from pg_proc where pronamespace::regnamespace::text = any (%(schemas)s)"""),
    "triggers": sql.SQL("""
        select tgrelid::regclass::text, pg_get_triggerdef(oid) from pg_trigger
         where not tgisinternal and tgfoid::regproc::text ~ '^(pgq_ext|queue_mover)\\.'"""),
}


def catalogue(conn: psycopg.Connection) -> dict[str, list[str]]:
    """All of it, by part."""
    schemas = {"schemas": ["pgq_ext", "queue_mover"]}
    return {
        part: sorted(
            str([_sorted(each) for each in row]) for row in conn.execute(statement, schemas)
        )
        for part, statement in PARTS.items()
    }


def _sorted(each: object) -> object:
    """Privileges, without the order in which they were granted."""
    return sorted(each) if isinstance(each, list) else each
