-- One shard of a shop. PgQ's triggers write each change as an event in the same transaction:
-- orders as JSON, payments URL-encoded.

create table orders (
    id       bigint generated always as identity primary key,
    customer text not null,
    city     text not null,
    total    numeric(10, 2) not null,
    status   text not null default 'placed',
    note     text,
    placed   timestamptz not null default clock_timestamp()
);

create table payments (
    order_id bigint primary key,
    method   text not null,
    amount   numeric(10, 2) not null,
    state    text not null
);

create trigger to_queue after insert or update or delete on orders
    for each row execute function pgq.jsontriga('shop', 'ev_extra4=current_database()');

create trigger to_queue after insert or update or delete on payments
    for each row execute function pgq.logutriga('shop', 'ev_extra4=current_database()');

create function place(number int) returns bigint[] language sql as $$
    with placed as (
        insert into orders (customer, city, total, note)
        select (array['Ada Lovelace', 'José Núñez', 'Miles O''Brien', '王芳', 'Zoë "Z" Åberg'])
                   [1 + floor(random() * 5)],
               (array['Tallinn', 'Zürich', 'São Paulo', '東京'])[1 + floor(random() * 4)],
               (random() * 900 + 5)::numeric(10, 2),
               (array[null, '', 'ring twice & wait', E'c:\\gifts\tone\nper line', '🎁 = 100%'])
                   [1 + floor(random() * 5)]
          from generate_series(1, number)
        returning id, total
    ), paid as (
        insert into payments
        select id, (array['card', 'transfer', 'gift+card'])[1 + floor(random() * 3)], total,
               'authorized'
          from placed
    )
    select array_agg(id) from placed;
$$;

create function ship(which bigint[]) returns void language sql as $$
    update orders set status = 'shipped', note = null where id = any(which);
    update payments set state = 'captured' where order_id = any(which);
    select pgq.insert_event('shop', 'mail.shipped',
                            json_build_object('order', id, 'subject', 'On its way ✓')::text,
                            'public.orders', null, '', current_database())
      from unnest(which) as id;
$$;

create function cancel(which bigint[]) returns void language sql as $$
    delete from payments where order_id = any(which);
    delete from orders where id = any(which);
$$;

create function import_stock(number int) returns void language sql as $$
    select count(pgq.insert_event('shop', 'stock.import',
                     json_build_object('sku', md5(n::text), 'left', n % 500)::text,
                     'public.stock', n::text, null, current_database()))
      from generate_series(1, number) as n;
$$;
