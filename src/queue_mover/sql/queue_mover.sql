-- queue_mover: what a target database records besides the position in pgq_ext: which source a
-- position came from, the events that the target rejected, and for the status the rate of events and
-- the last error of each mover, and which queues have the event IDs of a source. For a source database:
-- an identity, for roles that may not read the server's.
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

create table if not exists queue_mover.event_ids (
    pgq         text        not null,
    queue       text        not null,
    consumer    text        not null,
    source      text        not null,
    tick        bigint      not null,
    mark        text,
    event_seq   bigint      not null,
    own_ids     bigint      not null,
    ended       bigint      not null,
    primary key (pgq, queue)
);
comment on table queue_mover.event_ids is
    'The queues into which a mover writes with the event IDs of its source, and how far it has come.';
comment on column queue_mover.event_ids.pgq is 'The schema of PgQ.';
comment on column queue_mover.event_ids.consumer is 'The only one that may write.';
comment on column queue_mover.event_ids.tick is 'Its position, with source and mark.';
comment on column queue_mover.event_ids.event_seq is
    'Where it left the sequence of event IDs: any other value means that somebody else used it.';
comment on column queue_mover.event_ids.own_ids is
    'The highest ID that the queue had before: IDs of the source up to this one may collide.';
comment on column queue_mover.event_ids.ended is
    'All transactions before this one had ended, so they used the sequence before.';


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

create or replace function queue_mover.set_route(
    a_consumer text, a_queue text, a_filtered boolean)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    -- Most movers that start find theirs: they need no transaction ID, and no flush.
    insert into queue_mover.route (consumer, queue, filtered)
        select a_consumer, a_queue, a_filtered
         where not exists (
               select from queue_mover.route r
                where (r.consumer, r.queue, r.filtered) = (a_consumer, a_queue, a_filtered))
        on conflict (consumer) do update
            set queue = excluded.queue, filtered = excluded.filtered;
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
           -- A restarted mover knows of no error, but its batches show that it recovered: when, is
           -- not known. Its last batch would make the error new for ever.
           extract(epoch from n.at - coalesce(e.recovered,
                   case when o.recorded > e.seen then e.seen end))::float8,
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
-- Event IDs kept (keep_event_id). The sequence is shared with whoever else writes to the queue, and
-- neither nextval() nor setval() is undone by a rollback. So the functions below rely on the
-- following: if every number between two values of the sequence was drawn by us, nobody else drew
-- one. If there is a gap, they take the lock that nextval() and setval() wait for. Under it the
-- transactions that drew the numbers have ended, and those that wrote events can be seen.

create or replace function queue_mover.event_queue(
    a_pgq text, a_queue text, out seq regclass, out events regclass)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    names   text[];
begin
    if a_pgq not in ('pgq', 'pgque') then
        raise exception '% is not a schema of PgQ', a_pgq;
    end if;
    execute format('select array[queue_event_seq, queue_data_pfx] from %I.queue'
                   ' where queue_name = $1', a_pgq) into names using a_queue;
    if names is null then
        return;
    end if;
    seq := format('%I.%I', split_part(names[1], '.', 1),
                  substring(names[1] from position('.' in names[1]) + 1))::regclass;
    events := format('%I.%I', split_part(names[2], '.', 1),
                     substring(names[2] from position('.' in names[2]) + 1))::regclass;
    -- Our callers run with the privileges of their owner: a schema that somebody else has named
    -- pgque must not lead to other sequences.
    if (select count(distinct relowner) from pg_class
         where oid in (seq, format('%I.queue', a_pgq)::regclass)) > 1 then
        raise exception 'the sequence % does not belong to the owner of %.queue', seq, a_pgq;
    end if;
end;
$$;
comment on function queue_mover.event_queue(text, text) is
    'The sequence of event IDs and the parent of the event tables; NULLs: no such queue.';

create or replace function queue_mover.last_event_id(a_seq regclass)
returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    last    bigint;
begin
    execute format('select last_value from %s', a_seq) into last;
    return last;
end;
$$;
comment on function queue_mover.last_event_id(regclass) is
    'The last number that was drawn, as the ticker reads it: 1 also if it is none.';

create or replace function queue_mover.strange_event(
    a_events regclass, a_above bigint, a_ended bigint, a_own bigint)
returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    found_id    bigint;
begin
    -- Quoted, so that they become what ev_txid is: bigint, or xid8.
    execute format('select min(ev_id) from %s where ev_txid >= %L and ev_id > %L and ev_txid <> %L',
                   a_events, a_ended, a_above, a_own) into found_id;
    return found_id;
end;
$$;
comment on function queue_mover.strange_event(regclass, bigint, bigint, bigint) is
    'An event that another transaction wrote with an ID above, since the ended ones; NULL: none.';

create or replace function queue_mover.highest_event_id(a_events regclass, a_own bigint)
returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    highest     bigint;
begin
    execute format('select coalesce(max(ev_id), 0) from %s where ev_txid <> %L', a_events, a_own)
       into highest;
    return highest;
end;
$$;
comment on function queue_mover.highest_event_id(regclass, bigint) is
    'The highest ID of an event that another transaction wrote; 0: none.';

create or replace function queue_mover.event_ids_state(
    a_pgq text, a_queue text, a_consumer text,
    out consumer text, out source text, out has_position boolean, out continues boolean,
    out strange bigint, out highest bigint, out may_advance boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    q           record;
    k           record;
    last_tick   bigint;
begin
    select * into q from queue_mover.event_queue(a_pgq, a_queue);
    if q.seq is null then
        return;
    end if;
    may_advance := (select pg_has_role(f.proowner, c.relowner, 'usage')
                      from pg_class c, pg_proc f
                     where c.oid = q.seq and f.oid = 'queue_mover.keep_event_ids'::regproc);
    -- The table: the function would see a batch that was committed since our snapshot.
    if has_table_privilege('pgq_ext.completed_tick', 'select') then
        select t.last_tick_id into last_tick from pgq_ext.completed_tick t
         where t.consumer_id = a_consumer and t.subconsumer_id = '';
    else
        last_tick := pgq_ext.get_last_tick(a_consumer);
    end if;
    select e.*, o.consumer is not null as continues into k
      from queue_mover.event_ids e
      left join queue_mover.origin o
        on o.consumer = a_consumer and o.tick = last_tick
       and o.source = e.source and o.tick = e.tick and o.mark = e.mark
     where e.pgq = a_pgq and e.queue = a_queue;
    consumer := k.consumer;
    source := k.source;
    has_position := pgq_ext.get_last_tick(k.consumer) is not null;
    continues := coalesce(k.continues, false);
    if continues then
        strange := queue_mover.strange_event(q.events, k.event_seq, k.ended, 0);
    else
        highest := queue_mover.highest_event_id(q.events, 0);
    end if;
end;
$$;
comment on function queue_mover.event_ids_state(text, text, text) is
    'Whose event IDs a queue has; an event of somebody else, or where we have not written yet, the'
    ' highest ID; and whether keep_event_ids may advance the sequence. One snapshot.';

create or replace function queue_mover.keep_event_ids(
    a_pgq text, a_queue text, a_consumer text, a_source text,
    a_before bigint, a_before_mark text, a_tick bigint, a_mark text,
    a_first bigint, a_last bigint)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s'
as $$
declare
    q           record;
    k           queue_mover.event_ids;
    continues   boolean;
    last_id     bigint;
    goal        bigint;
    drawn       record;
    alone       boolean := false;
    strange     bigint;
    twice       bigint;
begin
    select * into strict q from queue_mover.event_queue(a_pgq, a_queue);
    insert into queue_mover.event_ids
        values (a_pgq, a_queue, a_consumer, a_source, -1, null, 0, 0, 0)
        on conflict do nothing;
    select * into k from queue_mover.event_ids e
     where e.pgq = a_pgq and e.queue = a_queue for update;
    if k.consumer <> a_consumer and pgq_ext.get_last_tick(k.consumer) is not null then
        raise exception 'queue "%" has the event IDs of consumer "%" (%)',
                a_queue, k.consumer, k.source
            using errcode = 'QM002';
    end if;
    -- NULL is a mark that is not known: after --accept-source, or of another program.
    continues := coalesce(k.source = a_source and k.tick = a_before and k.mark = a_before_mark,
                          false);
    last_id := queue_mover.last_event_id(q.seq);
    -- At least one number more, so that the ticker sees that there are events.
    goal := greatest(a_last, last_id + 1, k.event_seq);

    if continues and a_last is null then
        alone := true;
    elsif continues and last_id = k.event_seq and goal - last_id <= 10000 then
        select min(n) as first, max(n) as last into drawn
          from (select nextval(q.seq) as n from generate_series(last_id + 1, goal)) as numbers;
        alone := drawn.first = last_id + 1 and drawn.last = goal;
        k.event_seq := case when alone then goal else k.event_seq end;
    end if;
    if not alone then
        -- Changes nothing, but takes the lock: no other statement takes one on a sequence.
        begin
            execute format('alter sequence %s owned by none', q.seq);
        exception when lock_not_available then
            raise exception 'queue "%": an open transaction has drawn event IDs', a_queue
                using errcode = '55P03';
        end;
        if continues then
            strange := queue_mover.strange_event(q.events, k.event_seq, k.ended, txid_current());
        else
            k.own_ids := queue_mover.highest_event_id(q.events, txid_current());
        end if;
        if strange is not null then
            raise exception 'queue "%" has event % of somebody else', a_queue, strange
                using errcode = 'QM002';
        end if;
        k.event_seq := queue_mover.last_event_id(q.seq);
        if a_last is not null then
            k.event_seq := setval(q.seq, greatest(goal, k.event_seq + 1));
        end if;
    end if;
    if a_first <= k.own_ids then
        execute format('select min(ev_id) from %1$s where ev_txid <> %2$L and ev_id in'
                       ' (select ev_id from %1$s where ev_txid = %2$L and ev_id <= %3$L)',
                       q.events, txid_current(), k.own_ids) into twice;
        if twice is not null then
            raise exception 'queue "%" already has an event %', a_queue, twice
                using errcode = 'QM002';
        end if;
    end if;
    update queue_mover.event_ids e
       set consumer = a_consumer, source = a_source, tick = a_tick, mark = a_mark,
           event_seq = k.event_seq, own_ids = k.own_ids,
           ended = case when a_last is null and continues then e.ended
                        else txid_snapshot_xmin(txid_current_snapshot()) end
     where e.pgq = a_pgq and e.queue = a_queue;
end;
$$;
comment on function queue_mover.keep_event_ids(
        text, text, text, text, bigint, text, bigint, text, bigint, bigint) is
    'Before the commit of a batch whose events have the IDs a_first to a_last (NULL: it has none):'
    ' advance the sequence of the target queue to them. Raises QM002 if somebody else writes to it.';

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

-- Programs read it in the function's body.
create or replace function queue_mover.version()
returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select '4.0'::text;
$$;
comment on function queue_mover.version() is
    'The version of this schema, and of the pgq_ext that was installed with it.';

revoke all on schema queue_mover from public;
revoke all on all tables in schema queue_mover from public;
revoke all on all functions in schema queue_mover from public;
grant usage on schema queue_mover to public;
grant execute on function queue_mover.version() to public;

-- To the roles of PgQ, of PgQue, or of both: what this database has; of PgQ if it has neither.
do $$
declare
    v_pgq   text;
begin
    for v_pgq in
        select 'pgq' where to_regprocedure('pgq.create_queue(text)') is not null
                        or to_regprocedure('pgque.create_queue(text)') is null
        union all
        select 'pgque' where to_regprocedure('pgque.create_queue(text)') is not null
    loop
        execute format($grant$
            -- What the first version granted, now everybody has.
            revoke usage on schema queue_mover from %1$I_writer, %1$I_admin;
            grant execute on all functions in schema queue_mover to %1$I_writer;
            grant execute on function
                queue_mover.database_identity(), queue_mover.consumers_into(text) to %1$I_reader;
            grant select, delete on queue_mover.quarantine to %1$I_admin;
            grant select on queue_mover.origin, queue_mover.route, queue_mover.last_error
              to %1$I_admin;
            grant select, delete on queue_mover.event_ids to %1$I_admin;
            revoke execute on function queue_mover.keep_event_ids(
                text, text, text, text, bigint, text, bigint, text, bigint, bigint)
              from %1$I_writer;
            grant execute on function queue_mover.keep_event_ids(
                text, text, text, text, bigint, text, bigint, text, bigint, bigint)
              to %1$I_admin;
            $grant$, v_pgq);
    end loop;
end;
$$;
