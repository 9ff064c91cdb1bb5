-- queue_mover: what a target database records besides the position in pgq_ext: which source a
-- position came from, and the events that the target rejected. For a source database: an identity
-- of its own, for roles that may not read the server's.
--
-- Safe to run again: tables are kept, functions and privileges are replaced.
-- Run it in one transaction, as `pgqadm install` does after pgq_ext.sql.
--
-- Movers write only through the functions, which are SECURITY DEFINER; hence the fixed
-- search_path.

create schema if not exists queue_mover;
comment on schema queue_mover is 'queue_mover: origins of positions, quarantined events';

create table if not exists queue_mover.origin (
    consumer    text        primary key,
    source      text        not null,
    tick        bigint      not null,
    mark        text,
    recorded    timestamptz not null default now()
);
comment on table queue_mover.origin is
    'The source that a consumer''s position belongs to, and the mark of its tick.';
comment on column queue_mover.origin.mark is
    'Time and event number of the tick; NULL after --accept-source, until the next batch.';

create table if not exists queue_mover.quarantine (
    id          bigint      generated always as identity primary key,
    arrived     timestamptz not null default now(),
    consumer    text        not null,
    source      text        not null,
    queue       text        not null,
    ev_id       bigint      not null,
    ev_time     timestamptz,
    ev_type     bytea,
    ev_data     bytea,
    ev_extra1   bytea,
    ev_extra2   bytea,
    ev_extra3   bytea,
    ev_extra4   bytea,
    encoding    text        not null,
    reason      text        not null
);
comment on table queue_mover.quarantine is
    'Events that this database rejected, byte for byte, in their original encoding.';


create or replace function queue_mover.get_origin(
    a_consumer text, out source text, out tick bigint, out mark text)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select o.source, o.tick, o.mark from queue_mover.origin o where o.consumer = a_consumer;
$$;
comment on function queue_mover.get_origin(text) is
    'Where the position of a consumer came from; NULLs when nothing is recorded.';

create or replace function queue_mover.set_origin(
    a_consumer text, a_source text, a_tick bigint, a_mark text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if a_source is null then
        delete from queue_mover.origin where consumer = a_consumer;
        return;
    end if;
    insert into queue_mover.origin (consumer, source, tick, mark)
        values (a_consumer, a_source, a_tick, a_mark)
        on conflict (consumer) do update
            set source = excluded.source, tick = excluded.tick,
                mark = excluded.mark, recorded = excluded.recorded;
end;
$$;
comment on function queue_mover.set_origin(text, text, bigint, text) is
    'Record where the position of a consumer came from; source NULL deletes it.';

create or replace function queue_mover.advance_position(
    a_consumer text, a_before bigint, a_tick bigint, a_source text, a_mark text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    seen    bigint;
begin
    -- A mover that takes no locks may have set the position in a transaction that is still open:
    -- the row lock waits for it. Without the privilege on another pgq_ext, check without the lock.
    if has_table_privilege('pgq_ext.completed_tick', 'update') then
        perform from pgq_ext.completed_tick t
          where t.consumer_id = a_consumer and t.subconsumer_id = ''
            for update;
    end if;
    seen := pgq_ext.get_last_tick(a_consumer);
    if seen is distinct from a_before then
        raise exception 'the position is %, not %',
                coalesce(seen::text, 'forgotten'), coalesce(a_before::text, 'none')
            using errcode = 'QM001';
    end if;
    if a_before is null and has_table_privilege('pgq_ext.completed_tick', 'insert') then
        -- Two concurrent first batches: the second must not overwrite the position of the first.
        insert into pgq_ext.completed_tick (consumer_id, subconsumer_id, last_tick_id)
            values (a_consumer, '', a_tick)
            on conflict do nothing;
        if not found then
            raise exception 'the position was set meanwhile' using errcode = 'QM001';
        end if;
    else
        perform pgq_ext.set_last_tick(a_consumer, a_tick);
    end if;
    perform queue_mover.set_origin(a_consumer, a_source, a_tick, a_mark);
end;
$$;
comment on function queue_mover.advance_position(text, bigint, bigint, text, text) is
    'Set the position, with its origin, if it is still a_before; else raise QM001.';

create or replace function queue_mover.consumers_of(a_source text)
returns setof text
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select o.consumer from queue_mover.origin o where o.source = a_source;
$$;
comment on function queue_mover.consumers_of(text) is
    'The consumers whose position came from a source, which a new one might leave behind.';

create or replace function queue_mover.quarantine_event(
    a_consumer text, a_source text, a_queue text, a_ev_id bigint, a_ev_time timestamptz,
    a_fields bytea[], a_encoding text, a_reason text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into queue_mover.quarantine (
            consumer, source, queue, ev_id, ev_time,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, encoding, reason)
        values (a_consumer, a_source, a_queue, a_ev_id, a_ev_time,
                a_fields[1], a_fields[2], a_fields[3], a_fields[4], a_fields[5], a_fields[6],
                a_encoding, a_reason);
$$;
comment on function queue_mover.quarantine_event(
        text, text, text, bigint, timestamptz, bytea[], text, text) is
    'Store an event that the target rejected; fields are type, data, extra1 to extra4.';

create table if not exists queue_mover.identity (
    id          uuid        not null default md5(random()::text || clock_timestamp())::uuid,
    the_only    boolean     primary key default true check (the_only)
);
comment on table queue_mover.identity is 'The identity of this database; one row.';
insert into queue_mover.identity default values on conflict do nothing;

-- A copy has another identity: a template by the database's OID, a dump by the row's xmin, which
-- VACUUM does not change. A standby keeps both.
create or replace function queue_mover.database_identity()
returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select md5(concat_ws(' ', i.id, i.xmin, d.oid))::uuid
      from queue_mover.identity i, pg_database d
     where d.datname = current_database();
$$;
comment on function queue_mover.database_identity() is
    'Identifies this database where pg_control_system() is not allowed.';


revoke all on schema queue_mover from public;
revoke all on all tables in schema queue_mover from public;
revoke all on all functions in schema queue_mover from public;
grant usage on schema queue_mover to public;
grant execute on all functions in schema queue_mover to pgq_writer;
grant execute on function queue_mover.database_identity() to pgq_reader;
grant select, delete on queue_mover.quarantine to pgq_admin;
grant select on queue_mover.origin to pgq_admin;
