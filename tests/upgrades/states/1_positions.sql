-- pgq_ext: what a target database remembers of each consumer, so that a batch that comes
-- twice can be told from a new one. Positions live here because they have to commit
-- together with the events.
--
-- Safe to run again: tables stay, functions and privileges become what is written here.
-- Run it in one transaction (psql -1 -f pgq_ext.sql); `pgqadm install` does. It must not
-- meet a pgq_ext of somebody else's: `pgqadm install` looks, this file does not.
--
-- Consumers write only through the functions, which run with the rights of their owner.
-- Hence the pinned search_path: a caller's own tables and operators must never be found.
-- None of them is STABLE: whoever takes a lock and asks in one statement wants to know what
-- was committed while it waited.

create schema if not exists pgq_ext;

comment on schema pgq_ext is 'queue_mover: positions of consumers';

do $$
begin
    -- PgQ brings this role; a target that has no queues of its own may lack it.
    if not exists (select from pg_catalog.pg_roles where rolname = 'pgq_writer') then
        create role pgq_writer;
    end if;
exception
    -- Roles belong to the whole server: another database's install was a moment faster.
    when duplicate_object or unique_violation then null;
end;
$$;


-- Tables

create table if not exists pgq_ext.completed_tick (
    consumer_id     text    not null,
    subconsumer_id  text    not null,
    last_tick_id    bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.completed_tick is 'The last tick applied: the position of a consumer.';

create table if not exists pgq_ext.completed_batch (
    consumer_id     text    not null,
    subconsumer_id  text    not null,
    last_batch_id   bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.completed_batch is 'The last batch applied.';

create table if not exists pgq_ext.completed_event (
    consumer_id     text    not null,
    subconsumer_id  text    not null,
    batch_id        bigint  not null,
    event_id        bigint  not null,
    primary key (consumer_id, subconsumer_id, batch_id, event_id)
);
comment on table pgq_ext.completed_event is 'Events applied out of the batch in partial_batch.';

create table if not exists pgq_ext.partial_batch (
    consumer_id     text    not null,
    subconsumer_id  text    not null,
    cur_batch_id    bigint  not null,
    primary key (consumer_id, subconsumer_id)
);
comment on table pgq_ext.partial_batch is 'The batch that is being applied event by event.';


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
    -- Of two that set the same batch at once, the second waits here and then changes nothing.
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
    -- The row is locked even where it stays as it is: one at a time for each consumer.
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


-- By these words in its body `pgqadm install` knows the schema for ours.
create or replace function pgq_ext.version()
returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select 'queue_mover 4.0'::text;
$$;


-- Privileges

revoke all on all tables in schema pgq_ext from public;
revoke all on all functions in schema pgq_ext from public;
grant usage on schema pgq_ext to public;
grant execute on function
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
