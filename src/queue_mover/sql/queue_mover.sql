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

create table if not exists queue_mover.route (
    consumer    text        primary key,
    queue       text        not null,
    filtered    boolean     not null
);
comment on table queue_mover.route is
    'The queue that each consumer''s mover writes to, and whether it has a filter; kept by --reset.';

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
    insert into queue_mover.origin as o
            (consumer, source, tick, mark, recorded, sample_events, sample_times)
        values (a_consumer, a_source, a_tick, a_mark, clock_timestamp(),
                array[null, queue_mover.event_number(a_mark)],
                array[null, clock_timestamp()])
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

create or replace function queue_mover.set_route(
    a_consumer text, a_queue text, a_filtered boolean)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into queue_mover.route as r (consumer, queue, filtered)
        values (a_consumer, a_queue, a_filtered)
        on conflict (consumer) do update
            set queue = excluded.queue, filtered = excluded.filtered
          where (r.queue, r.filtered) <> (excluded.queue, excluded.filtered);
$$;
comment on function queue_mover.set_route(text, text, boolean) is
    'Record the queue that a consumer''s mover writes to, and whether it has a filter.';

create or replace function queue_mover.consumers_into(
    a_queue text, out consumer text, out source text, out queue text, out filtered boolean)
returns setof record
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select o.consumer, o.source, r.queue, r.filtered
      from queue_mover.origin o
      left join queue_mover.route r using (consumer)
     where coalesce(r.queue, a_queue) = a_queue;
$$;
comment on function queue_mover.consumers_into(text) is
    'The consumers whose movers write to a queue of this database, and where they read; queue NULL:'
    ' not recorded, so it may be this one.';

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
grant execute on function queue_mover.consumers_into(text) to pgq_reader;
grant select, delete on queue_mover.quarantine to pgq_admin;
grant select on queue_mover.origin, queue_mover.route, queue_mover.last_error to pgq_admin;
