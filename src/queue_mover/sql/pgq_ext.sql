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
declare
    v_pgq   text;
begin
    -- PgQ and PgQue create these roles; a target without queues may lack PgQ's.
    for v_pgq in
        select 'pgq' where to_regprocedure('pgq.create_queue(text)') is not null
                        or to_regprocedure('pgque.create_queue(text)') is null
        union all
        select 'pgque' where to_regprocedure('pgque.create_queue(text)') is not null
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_pgq || '_writer') then
            execute format('create role %I', v_pgq || '_writer');
        end if;
    end loop;
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


-- The version of the interface, which is upstream's. `pgqadm install` recognises our schema, and its
-- version, by the comment in the function's body.
create or replace function pgq_ext.version()
returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select '3.1'::text;  -- queue_mover, schema 4.0
$$;


-- Privileges

revoke all on all tables in schema pgq_ext from public;
revoke all on all functions in schema pgq_ext from public;
grant usage on schema pgq_ext to public;
grant execute on function pgq_ext.version() to public;

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
              to %I $grant$, v_pgq || '_writer');
    end loop;
end;
$$;
