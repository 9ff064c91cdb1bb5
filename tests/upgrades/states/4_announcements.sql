-- pgq_ext: what a target database records for each consumer, so that a replayed batch is
-- recognised. Positions are stored here because they must commit together with the events.
--
-- Safe to run again: tables are kept, functions and privileges are replaced.
-- Run it in one transaction (psql -1 -f pgq_ext.sql), as `pgqadm install` does. Do not run it over
-- another pgq_ext: `pgqadm install` checks for one, this file does not.
--
-- Consumers write only through the functions, which are SECURITY DEFINER. Hence the fixed
-- search_path: it must never find a caller's own tables and operators.
-- None of them is STABLE: a statement that waits for a lock and then calls one must see what
-- was committed meanwhile.

create schema if not exists pgq_ext;

comment on schema pgq_ext is 'queue_mover: positions of consumers';

do $$
begin
    -- PgQ creates this role; a target without queues may lack it.
    if not exists (select from pg_catalog.pg_roles where rolname = 'pgq_writer') then
        create role pgq_writer;
    end if;
exception
    -- Roles are shared by the whole server: an install in another database was faster.
    when duplicate_object or unique_violation then null;
end;
$$;


-- Tables

create table if not exists pgq_ext.completed_tick (
    consumer_id     text    not null,
    subconsumer_id  text    not null default '',
    last_tick_id    bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.completed_tick is 'The last tick applied: the position of a consumer.';

create table if not exists pgq_ext.completed_batch (
    consumer_id     text    not null,
    subconsumer_id  text    not null default '',
    last_batch_id   bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.completed_batch is 'The last batch applied.';

create table if not exists pgq_ext.completed_event (
    consumer_id     text    not null,
    subconsumer_id  text    not null default '',
    batch_id        bigint  not null,
    event_id        bigint  not null,
    primary key (consumer_id, subconsumer_id, batch_id, event_id)
);
comment on table pgq_ext.completed_event is 'Events applied out of the batch in partial_batch.';

create table if not exists pgq_ext.partial_batch (
    consumer_id     text    not null,
    subconsumer_id  text    not null default '',
    cur_batch_id    bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.partial_batch is 'The batch that is being applied event by event.';

create or replace function pgq_ext.upgrade_schema()
returns integer
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
    v_count integer := 0;
begin
    for v_table in
        select a.attrelid::regclass
          from pg_attribute a
         where a.attrelid in (
                   'pgq_ext.completed_tick'::regclass, 'pgq_ext.completed_batch'::regclass,
                   'pgq_ext.completed_event'::regclass, 'pgq_ext.partial_batch'::regclass)
           and a.attname = 'subconsumer_id'
           and not a.atthasdef
    loop
        execute format('alter table %s alter column subconsumer_id set default %L', v_table, '');
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function pgq_ext.upgrade_schema() is
    'Bring tables of an earlier version up to date; how many it changed. Only their owner can.';

select pgq_ext.upgrade_schema();


-- Ticks

create or replace function pgq_ext.get_last_tick(a_consumer text, a_subconsumer text)
returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select t.last_tick_id
      from pgq_ext.completed_tick t
     where t.consumer_id = a_consumer
       and t.subconsumer_id = a_subconsumer;
$$;
comment on function pgq_ext.get_last_tick(text, text) is
    'The position of a consumer; NULL when it has none.';

create or replace function pgq_ext.get_last_tick(a_consumer text)
returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.get_last_tick(a_consumer, '');
$$;

create or replace function pgq_ext.set_last_tick(
    a_consumer text, a_subconsumer text, a_tick_id bigint)
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if a_tick_id is null then
        delete from pgq_ext.completed_tick t
         where t.consumer_id = a_consumer
           and t.subconsumer_id = a_subconsumer;
    else
        insert into pgq_ext.completed_tick as t (consumer_id, subconsumer_id, last_tick_id)
        values (a_consumer, a_subconsumer, a_tick_id)
        on conflict (consumer_id, subconsumer_id)
            do update set last_tick_id = excluded.last_tick_id;
    end if;
    return 1;
end;
$$;
comment on function pgq_ext.set_last_tick(text, text, bigint) is
    'Set the position of a consumer; NULL forgets it.';

create or replace function pgq_ext.set_last_tick(a_consumer text, a_tick_id bigint)
returns integer
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.set_last_tick(a_consumer, '', a_tick_id);
$$;


-- Batches

create or replace function pgq_ext.is_batch_done(
    a_consumer text, a_subconsumer text, a_batch_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
          from pgq_ext.completed_batch b
         where b.consumer_id = a_consumer
           and b.subconsumer_id = a_subconsumer
           and b.last_batch_id = a_batch_id);
$$;
comment on function pgq_ext.is_batch_done(text, text, bigint) is
    'Whether this is the last batch that the consumer applied.';

create or replace function pgq_ext.is_batch_done(a_consumer text, a_batch_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.is_batch_done(a_consumer, '', a_batch_id);
$$;

create or replace function pgq_ext.set_batch_done(
    a_consumer text, a_subconsumer text, a_batch_id bigint)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- As upstream: no such batch exists, so it is always new and not recorded.
    if coalesce(a_batch_id, 0) <= 0 then
        return true;
    end if;
    -- If two set the same batch concurrently, the second waits here and then changes nothing.
    insert into pgq_ext.completed_batch as b (consumer_id, subconsumer_id, last_batch_id)
    values (a_consumer, a_subconsumer, a_batch_id)
    on conflict (consumer_id, subconsumer_id)
        do update set last_batch_id = excluded.last_batch_id
        where b.last_batch_id <> excluded.last_batch_id;
    return found;
end;
$$;
comment on function pgq_ext.set_batch_done(text, text, bigint) is
    'Remember the last batch applied; false when it was that one already.';

create or replace function pgq_ext.set_batch_done(a_consumer text, a_batch_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.set_batch_done(a_consumer, '', a_batch_id);
$$;


-- Events

create or replace function pgq_ext.is_event_done(
    a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
          from pgq_ext.completed_event e
         where e.consumer_id = a_consumer
           and e.subconsumer_id = a_subconsumer
           and e.batch_id = a_batch_id
           and e.event_id = a_event_id);
$$;
comment on function pgq_ext.is_event_done(text, text, bigint, bigint) is
    'Whether the consumer applied this event of its current batch.';

create or replace function pgq_ext.is_event_done(
    a_consumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.is_event_done(a_consumer, '', a_batch_id, a_event_id);
$$;

create or replace function pgq_ext.set_event_done(
    a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- Locks the row even if it does not change: one at a time for each consumer.
    insert into pgq_ext.partial_batch as p (consumer_id, subconsumer_id, cur_batch_id)
    values (a_consumer, a_subconsumer, a_batch_id)
    on conflict (consumer_id, subconsumer_id)
        do update set cur_batch_id = excluded.cur_batch_id
        where p.cur_batch_id <> excluded.cur_batch_id;
    if found then
        delete from pgq_ext.completed_event e
         where e.consumer_id = a_consumer
           and e.subconsumer_id = a_subconsumer
           and e.batch_id <> a_batch_id;
    end if;

    insert into pgq_ext.completed_event (consumer_id, subconsumer_id, batch_id, event_id)
    values (a_consumer, a_subconsumer, a_batch_id, a_event_id)
    on conflict do nothing;
    return found;
end;
$$;
comment on function pgq_ext.set_event_done(text, text, bigint, bigint) is
    'Remember an event of the current batch; false when it was known. A new batch id forgets'
    ' the events of the batch before.';

create or replace function pgq_ext.set_event_done(
    a_consumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select pgq_ext.set_event_done(a_consumer, '', a_batch_id, a_event_id);
$$;


-- The version of the interface, which is upstream's. `pgqadm install` recognises our schema by
-- the comment in the function's body.
create or replace function pgq_ext.version()
returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select '3.1'::text;  -- queue_mover
$$;


-- Privileges

revoke all on all tables in schema pgq_ext from public;
revoke all on all functions in schema pgq_ext from public;
grant usage on schema pgq_ext to public;
grant execute on function
    pgq_ext.upgrade_schema(),
    pgq_ext.get_last_tick(text, text),
    pgq_ext.get_last_tick(text),
    pgq_ext.set_last_tick(text, text, bigint),
    pgq_ext.set_last_tick(text, bigint),
    pgq_ext.is_batch_done(text, text, bigint),
    pgq_ext.is_batch_done(text, bigint),
    pgq_ext.set_batch_done(text, text, bigint),
    pgq_ext.set_batch_done(text, bigint),
    pgq_ext.is_event_done(text, text, bigint, bigint),
    pgq_ext.is_event_done(text, bigint, bigint),
    pgq_ext.set_event_done(text, text, bigint, bigint),
    pgq_ext.set_event_done(text, bigint, bigint)
  to pgq_writer;
grant execute on function pgq_ext.version() to public;
-- queue_mover: what a target database records besides the position in pgq_ext: which source a
-- position came from, the events that the target rejected, and for the status the rate of events and
-- the last error of each mover. For a source database: an identity, for roles that may not read the
-- server's.
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

-- Only where missing: ALTER TABLE waits for the batches under way, and others wait for it.
do $$
begin
    if not exists (select from pg_catalog.pg_attribute
                    where attrelid = 'queue_mover.origin'::regclass
                      and attname = 'sample_times' and not attisdropped) then
        alter table queue_mover.origin
            add column if not exists sample_events bigint[],
            add column if not exists sample_times timestamptz[];
    end if;
end;
$$;
comment on column queue_mover.origin.sample_events is
    'Event numbers of two earlier positions, for the events per second: [1] is in use, [2] is next.';
comment on column queue_mover.origin.sample_times is
    'When they were the position; the one in use is at least a minute old, except at the start.';

create table if not exists queue_mover.last_error (
    consumer    text        primary key,
    began       timestamptz not null,
    seen        timestamptz not null,
    recovered   timestamptz,
    message     text        not null,
    host        text        not null,
    pid         integer     not null
);
comment on table queue_mover.last_error is
    'The last error of each consumer''s mover, which the mover records if it can.';
comment on column queue_mover.last_error.recovered is
    'When the mover worked again; NULL: not yet, as far as it could record that.';

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

create or replace function queue_mover.event_number(a_mark text)
returns bigint
language sql immutable
as $$
    select substring(a_mark from ' ([0-9]{1,18})$')::bigint;
$$;
comment on function queue_mover.event_number(text) is
    'The event number in the mark of a tick; NULL where there is none.';

create or replace function queue_mover.set_origins(
    a_consumers text[], a_sources text[], a_ticks bigint[], a_marks text[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into queue_mover.origin as o
            (consumer, source, tick, mark, recorded, sample_events, sample_times)
        select consumer, source, tick, mark, clock_timestamp(),
               array[null, queue_mover.event_number(mark)], array[null, clock_timestamp()]
          from unnest(a_consumers, a_sources, a_ticks, a_marks)
               as given (consumer, source, tick, mark)
        on conflict (consumer) do update
            set source = excluded.source, tick = excluded.tick,
                mark = excluded.mark, recorded = excluded.recorded,
                (sample_events, sample_times) = (
                    select case what
                           when 'none' then excluded.sample_events
                           when 'rest' then
                               array[queue_mover.event_number(o.mark), excluded.sample_events[2]]
                           when 'turn' then array[o.sample_events[2], excluded.sample_events[2]]
                           else o.sample_events end,
                           case what
                           when 'none' then excluded.sample_times
                           -- Nothing has moved since; this batch began with its transaction.
                           when 'rest' then
                               array[least(now(), excluded.recorded - interval '1 minute'),
                                     excluded.recorded]
                           when 'turn' then array[o.sample_times[2], excluded.recorded]
                           else o.sample_times end
                      from (select case
                            when o.source <> excluded.source or o.tick > excluded.tick then 'none'
                            when o.recorded <= excluded.recorded - interval '1 minute' then 'rest'
                            when o.sample_times is null then 'none'
                            when o.sample_times[1] is null
                              or o.sample_times[2] <= excluded.recorded - interval '1 minute'
                                then 'turn'
                            end) as samples (what));
end;
$$;
comment on function queue_mover.set_origins(text[], text[], bigint[], text[]) is
    'Record where the positions of these consumers came from.';

create or replace function queue_mover.set_origin(
    a_consumer text, a_source text, a_tick bigint, a_mark text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if a_source is null then
        delete from queue_mover.origin where consumer = a_consumer;
        delete from queue_mover.last_error where consumer = a_consumer;
        return;
    end if;
    perform queue_mover.set_origins(
        array[a_consumer], array[a_source], array[a_tick], array[a_mark]);
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

create or replace function queue_mover.lock_positions(a_consumers text[], a_keys bigint[])
returns table (consumer text, tick bigint, source text, mark text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_locked    text[];
begin
    v_locked := array(
        select given.consumer from unnest(a_consumers, a_keys) as given (consumer, key)
         where pg_try_advisory_xact_lock(given.key));
    -- Another statement: its snapshot must see what was committed before the locks were free.
    return query
    with free as (
        select t.consumer_id, t.last_tick_id
          from pgq_ext.completed_tick t
         where t.consumer_id = any (v_locked) and t.subconsumer_id = ''
           -- One that a program without our locks is setting must not delay the others.
           for update skip locked)
    select f.consumer_id, f.last_tick_id, o.source, o.mark
      from free f
      left join queue_mover.origin o on o.consumer = f.consumer_id and o.tick = f.last_tick_id;
end;
$$;
comment on function queue_mover.lock_positions(text[], bigint[]) is
    'Try the movers'' locks of these consumers, by key, and lock their positions. Returns those that'
    ' could be locked, with their origins.';

create or replace function queue_mover.advance_positions(
    a_consumers text[], a_ticks bigint[], a_sources text[], a_marks text[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update pgq_ext.completed_tick t
       set last_tick_id = given.tick
      from unnest(a_consumers, a_ticks) as given (consumer, tick)
     where t.consumer_id = given.consumer and t.subconsumer_id = '';
    perform queue_mover.set_origins(a_consumers, a_sources, a_ticks, a_marks);
end;
$$;
comment on function queue_mover.advance_positions(text[], bigint[], text[], text[]) is
    'Set positions that lock_positions has locked in this transaction, with their origins.';

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

create or replace function queue_mover.record_error(
    a_consumer text, a_message text, a_host text, a_pid integer,
    a_began interval, a_recovered interval)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into queue_mover.last_error (consumer, began, seen, recovered, message, host, pid)
        values (a_consumer, clock_timestamp() - a_began, clock_timestamp(),
                clock_timestamp() - a_recovered, a_message, a_host, a_pid)
        on conflict (consumer) do update
            set began = excluded.began, seen = excluded.seen, recovered = excluded.recovered,
                message = excluded.message, host = excluded.host, pid = excluded.pid;
$$;
comment on function queue_mover.record_error(text, text, text, integer, interval, interval) is
    'Record the last error of a consumer: how long ago it began and was over (NULL: it is not).';

create or replace function queue_mover.get_activity(
    a_consumer text, out since_batch float8, out events_per_second float8,
    out error_began float8, out error_seen float8, out error_recovered float8,
    out message text, out host text, out pid integer)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select extract(epoch from n.at - o.recorded)::float8,
           case when o.recorded < n.at - interval '5 minutes' then 0
                when o.sample_times[1] < n.at
                 and o.sample_events[1] <= queue_mover.event_number(o.mark) then
                     (queue_mover.event_number(o.mark) - o.sample_events[1])
                     / extract(epoch from n.at - o.sample_times[1])::float8 end,
           extract(epoch from n.at - e.began)::float8,
           extract(epoch from n.at - e.seen)::float8,
           -- A restarted mover knows of no error, but its batches show that it recovered.
           extract(epoch from n.at - coalesce(e.recovered,
                   case when o.recorded > e.seen then o.recorded end))::float8,
           e.message, e.host, e.pid
      from (values (a_consumer, clock_timestamp())) as n (consumer, at)
      left join queue_mover.origin o using (consumer)
      left join queue_mover.last_error e using (consumer);
$$;
comment on function queue_mover.get_activity(text) is
    'What a consumer''s mover has done lately, and its last error; ages in seconds.';

create or replace function queue_mover.announce_ticks()
returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- One channel for each queue, so that a tick wakes only those who wait for it. A channel's name
    -- has 63 bytes at most.
    perform pg_notify('pgq_' || case when octet_length(convert_to(q.queue_name, 'UTF8')) > 59
                                     then md5(convert_to(q.queue_name, 'UTF8'))
                                     else q.queue_name end, '')
      from pgq.queue q
     where q.queue_id in (select tick_queue from new_ticks);
    return null;
end;
$$;
comment on function queue_mover.announce_ticks() is
    'Trigger function: announces the ticks of a statement. `pgqadm install --notify` installs it.';

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
grant select on queue_mover.origin, queue_mover.last_error to pgq_admin;
