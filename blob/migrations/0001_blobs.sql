-- Blobs: what tenants own, and the content behind it. {{tenant}} is the type of tenant ids.
--
-- The application's login sees blobs, through row-level security, and nothing else here: content is shared by tenants
-- when it is deduplicated globally, so nobody may look at it but the functions below. They take the tenant from the
-- setting that the policies read, and from nothing else.

create schema if not exists septum_blob;
revoke all on schema septum_blob from public;

create table septum_blob.versions (
	version    integer primary key,
	applied_at timestamptz not null default now()
);

-- One tenant's secret for references.
create table septum_blob.tenants (
	tenant_id {{tenant}} primary key,
	ref_key   bytea not null check (length(ref_key) = 32)
);

-- Data keys, wrapped by a key of blob.Keys. Those without a tenant belong to content that all share.
create table septum_blob.data_keys (
	id         uuid primary key default gen_random_uuid(),
	tenant_id  {{setting}},
	wrapped    bytea not null,
	created_at timestamptz not null default now()
);
create unique index data_keys_owner on septum_blob.data_keys (tenant_id) nulls not distinct;

-- Uploads under way. The row stands before the first byte is written, so that bytes without a row are nobody's.
create table septum_blob.uploads (
	key        text primary key,
	tenant_id  {{tenant}} not null,
	started_at timestamptz not null default now()
);
create index uploads_by_tenant on septum_blob.uploads (tenant_id, started_at);

-- Stored bytes. The id is what links refer to: random, and never shown to a tenant.
create table septum_blob.content (
	id         uuid primary key default gen_random_uuid(),
	key        text not null unique,
	hash       bytea not null check (length(hash) = 32),
	size       bigint not null check (size >= 0),
	sealing    text not null check (sealing in ('plain', 'row', 'wrapped')),
	row_key    bytea,
	data_key   uuid references septum_blob.data_keys on delete set null,
	shared     boolean not null, -- may be merged with a copy of another tenant
	created_at timestamptz not null default clock_timestamp()
);
create index content_by_hash on septum_blob.content (hash, created_at, id) where shared;
create index content_by_data_key on septum_blob.content (data_key) where data_key is not null;

-- What a tenant owns. This is the relation of the catalog.
create table septum_blob.blobs (
	tenant_id  {{tenant}} not null,
	ref        text not null check (ref ~ '^blob_[A-Za-z0-9_-]{43}$'),
	size       bigint not null check (size >= 0),
	media_type text not null,
	name       text not null,
	created_at timestamptz not null default now(),
	primary key (tenant_id, ref)
);
create index blobs_by_time on septum_blob.blobs (tenant_id, created_at, ref);

-- Which content stands behind a tenant's blob.
create table septum_blob.links (
	tenant_id  {{tenant}} not null,
	ref        text not null,
	content_id uuid not null references septum_blob.content,
	primary key (tenant_id, ref),
	foreign key (tenant_id, ref) references septum_blob.blobs on delete cascade
);
create index links_by_content on septum_blob.links (content_id);

-- Content that may have lost its last link; a sweep looks again, under a lock.
create table septum_blob.loose (
	content_id uuid not null,
	tenant_id  {{tenant}} not null,
	since      timestamptz not null default now(),
	primary key (tenant_id, content_id)
);

-- Content that may have a copy; a sweep looks for it.
create table septum_blob.fresh (
	content_id uuid not null references septum_blob.content on delete cascade,
	tenant_id  {{tenant}} not null,
	primary key (tenant_id, content_id)
);
create index fresh_by_content on septum_blob.fresh (content_id);

-- Bytes to delete. The row goes after the bytes did.
create table septum_blob.garbage (
	key       text primary key,
	tenant_id {{tenant}} not null,
	since     timestamptz not null default now()
);
create index garbage_by_tenant on septum_blob.garbage (tenant_id, since);

-- What a tenant owns in sum, spread over slots by connection, since a row is locked until its transaction is on the disk:
-- uploads at once would wait for each other.
create table septum_blob.usage (
	tenant_id {{tenant}} not null,
	slot      smallint not null,
	blobs     bigint not null,
	bytes     bigint not null,
	primary key (tenant_id, slot)
);

-- What a tenant uploaded in the minute that began at started.
create table septum_blob.rates (
	tenant_id {{tenant}} primary key,
	started   timestamptz not null,
	bytes     bigint not null
);

-- No policy lets anybody in but the owner, should a grant ever be made by mistake.
alter table septum_blob.versions enable row level security;
alter table septum_blob.tenants enable row level security;
alter table septum_blob.data_keys enable row level security;
alter table septum_blob.uploads enable row level security;
alter table septum_blob.content enable row level security;
alter table septum_blob.links enable row level security;
alter table septum_blob.loose enable row level security;
alter table septum_blob.fresh enable row level security;
alter table septum_blob.garbage enable row level security;
alter table septum_blob.usage enable row level security;
alter table septum_blob.rates enable row level security;

-- The functions write blobs as the owner, on whom row-level security is forced: for the tenant of the setting alone.
alter table septum_blob.blobs enable row level security;
alter table septum_blob.blobs force row level security;
create policy septum_blob_owner on septum_blob.blobs as permissive for all to current_role
	using (tenant_id = (select nullif(current_setting('septum.tenant', true), '')::{{setting}}))
	with check (tenant_id = (select nullif(current_setting('septum.tenant', true), '')::{{setting}}));

-- The tenant of the statement. Without one nothing goes on.
create function septum_blob.current_tenant() returns {{setting}}
language plpgsql stable set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := nullif(current_setting('septum.tenant', true), '')::{{setting}};
	own text;
begin
	if t is null then
		raise exception 'no tenant is set' using errcode = 'insufficient_privilege';
	end if;
	-- A login of one tenant (rls.FromLogin) stays that tenant's, whatever is set on it: no function sees past session_user.
	if to_regclass('septum.logins') is not null then
		execute 'select l.tenant from septum.logins l where l.login = session_user' into own;
		if own <> t::text then
			raise exception 'the login is another tenant''s' using errcode = 'insufficient_privilege';
		end if;
	end if;
	return t;
end $$;

-- Rows come in through finish, whatever was granted on the table.
create function septum_blob.guard() returns trigger
language plpgsql set search_path = pg_catalog, septum_blob, pg_temp as $$
begin
	if current_user <> (select pg_get_userbyid(relowner) from pg_class where oid = tg_relid) then
		raise exception 'blobs are written by blob.Store alone' using errcode = 'insufficient_privilege';
	end if;
	return new;
end $$;
create trigger guard before insert or update on septum_blob.blobs
	for each row execute function septum_blob.guard();

create function septum_blob.count_blob() returns trigger
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		insert into septum_blob.usage as u (tenant_id, slot, blobs, bytes)
			values (new.tenant_id, pg_backend_pid() % 64, 1, new.size)
			on conflict (tenant_id, slot) do update set blobs = u.blobs + 1, bytes = u.bytes + excluded.bytes;
	else
		insert into septum_blob.usage as u (tenant_id, slot, blobs, bytes)
			values (old.tenant_id, pg_backend_pid() % 64, -1, -old.size)
			on conflict (tenant_id, slot) do update set blobs = u.blobs - 1, bytes = u.bytes + excluded.bytes;
	end if;
	return null;
end $$;
create trigger count_blob after insert or delete on septum_blob.blobs
	for each row execute function septum_blob.count_blob();

-- A minute that began in the future is over too: the clock was set back, and would bar the tenant until it is there again.
create function septum_blob.is_now(started timestamptz) returns boolean
language sql stable set search_path = pg_catalog, septum_blob, pg_temp as $$
	select started > now() - interval '1 minute' and started < now() + interval '1 minute'
$$;

create function septum_blob.loosen() returns trigger
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
begin
	-- The update takes the row's lock, so that a sweep that can't see this deletion yet does not drop the row.
	insert into septum_blob.loose (content_id, tenant_id) values (old.content_id, old.tenant_id)
		on conflict (tenant_id, content_id) do update set since = excluded.since;
	return null;
end $$;
create trigger loosen_deleted after delete on septum_blob.links
	for each row execute function septum_blob.loosen();
create trigger loosen_moved after update on septum_blob.links
	for each row when (old.content_id <> new.content_id) execute function septum_blob.loosen();

-- begin announces an upload and gives what it needs: the tenant's secret, its data key, and, where there is a quota, how
-- much it has already.
create function septum_blob.begin(p_key text, p_candidate bytea, p_shared boolean, p_quota boolean)
returns table (ref_key bytea, data_key uuid, wrapped bytea, bytes bigint, lately bigint)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := septum_blob.current_tenant();
	b bigint := 0;
	l bigint := 0;
begin
	-- A crash of the server may forget this row: the upload is then refused at its end, and its bytes are swept.
	perform set_config('synchronous_commit', 'off', true);
	insert into septum_blob.uploads (key, tenant_id) values (p_key, t);
	if not exists (select from septum_blob.tenants x where x.tenant_id = t) then
		insert into septum_blob.tenants (tenant_id, ref_key) values (t, p_candidate) on conflict do nothing;
	end if;
	if p_quota then
		select coalesce(sum(u.bytes), 0) into b from septum_blob.usage u where u.tenant_id = t;
		select r.bytes into l from septum_blob.rates r where r.tenant_id = t and septum_blob.is_now(r.started);
	end if;
	return query select x.ref_key, k.id, k.wrapped, b, coalesce(l, 0)
		from septum_blob.tenants x
			left join septum_blob.data_keys k on k.tenant_id is not distinct from case when p_shared then null else t end
		where x.tenant_id = t;
end $$;

-- add_key keeps a wrapped data key, unless there is one already, and gives the one that counts.
create function septum_blob.add_key(p_wrapped bytea, p_shared boolean)
returns table (data_key uuid, wrapped bytea)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := septum_blob.current_tenant();
	k {{setting}} := case when p_shared then null else t end;
begin
	insert into septum_blob.data_keys (tenant_id, wrapped) values (k, p_wrapped) on conflict do nothing;
	return query select d.id, d.wrapped from septum_blob.data_keys d where d.tenant_id is not distinct from k;
end $$;

-- finish makes uploaded bytes a tenant's blob, in one transaction. It does the same whether or not somebody has the
-- content: a copy is looked for later, by a sweep, so that neither time nor result tells.
create function septum_blob.finish(p_key text, p_ref text, p_hash bytea, p_size bigint, p_media_type text, p_name text,
	p_sealing text, p_row_key bytea, p_data_key uuid, p_merge boolean, p_max_blobs bigint, p_max_bytes bigint)
returns table (outcome text)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := septum_blob.current_tenant();
	c uuid := gen_random_uuid();
	n bigint;
	b bigint;
begin
	-- Whoever takes this row decides: this function, or a sweep that found it too old.
	delete from septum_blob.uploads u where u.key = p_key and u.tenant_id = t;
	if not found then
		return query select 'expired';
		return;
	end if;
	if p_max_blobs is not null or p_max_bytes is not null then
		if current_setting('transaction_isolation') <> 'read committed' then
			-- The lock lets the next one in when the sum is there; a snapshot from before would not show it.
			raise exception 'quotas hold at the isolation level read committed only' using errcode = 'object_not_in_prerequisite_state',
				hint = 'set default_transaction_isolation of the login back';
		end if;
		perform from septum_blob.tenants x where x.tenant_id = t for no key update; -- one after the other, so that the sum holds
		if not exists (select from septum_blob.blobs x where x.tenant_id = t and x.ref = p_ref) then
			select coalesce(sum(u.blobs), 0), coalesce(sum(u.bytes), 0) into n, b from septum_blob.usage u where u.tenant_id = t;
			if n + 1 > p_max_blobs then
				insert into septum_blob.garbage (key, tenant_id) values (p_key, t);
				return query select 'blobs';
				return;
			end if;
			if b + p_size > p_max_bytes then
				insert into septum_blob.garbage (key, tenant_id) values (p_key, t);
				return query select 'bytes';
				return;
			end if;
		end if;
	end if;
	insert into septum_blob.content (id, key, hash, size, sealing, row_key, data_key, shared)
		values (c, p_key, p_hash, p_size, p_sealing, p_row_key, p_data_key, p_merge);
	if p_merge then
		insert into septum_blob.fresh (content_id, tenant_id) values (c, t);
	end if;
	insert into septum_blob.blobs (tenant_id, ref, size, media_type, name) values (t, p_ref, p_size, p_media_type, p_name)
		on conflict (tenant_id, ref) do update set media_type = excluded.media_type, name = excluded.name;
	insert into septum_blob.links (tenant_id, ref, content_id) values (t, p_ref, c)
		on conflict (tenant_id, ref) do update set content_id = excluded.content_id;
	return query select 'done';
end $$;

-- note_upload counts uploaded bytes against the rate, also those of uploads that failed.
create function septum_blob.note_upload(p_bytes bigint) returns table (lately bigint)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
begin
	return query insert into septum_blob.rates as r (tenant_id, started, bytes) values (septum_blob.current_tenant(), now(), p_bytes)
		on conflict (tenant_id) do update set
			started = case when septum_blob.is_now(r.started) then r.started else now() end,
			bytes = case when septum_blob.is_now(r.started) then r.bytes + excluded.bytes else excluded.bytes end
		returning r.bytes;
end $$;

-- abandon gives an upload up, and tells what became of it: 'abandoned', 'linked' when it had been finished after all,
-- 'expired' when a sweep was first. Finished content stays, whoever's links lead to it now: the tenant may have put it again
-- meanwhile, or deleted it, and a sweep may have led another tenant there.
create function septum_blob.abandon(p_key text) returns table (outcome text)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := septum_blob.current_tenant();
begin
	delete from septum_blob.uploads u where u.key = p_key and u.tenant_id = t;
	if found then
		insert into septum_blob.garbage (key, tenant_id) values (p_key, t);
		return query select 'abandoned';
	elsif exists (select from septum_blob.content c where c.key = p_key) then
		return query select 'linked';
	else
		return query select 'expired';
	end if;
end $$;

-- locate finds the bytes of a tenant's own blob.
create function septum_blob.locate(p_ref text)
returns table (ref text, size bigint, media_type text, name text, created_at timestamptz,
	key text, hash bytea, sealing text, row_key bytea, data_key uuid, wrapped bytea, shared boolean)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select b.ref, b.size, b.media_type, b.name, b.created_at,
		c.key, c.hash, c.sealing, c.row_key, c.data_key, k.wrapped, k.id is not null and k.tenant_id is null
	from septum_blob.blobs b
		join septum_blob.links l on l.tenant_id = b.tenant_id and l.ref = b.ref
		join septum_blob.content c on c.id = l.content_id
		left join septum_blob.data_keys k on k.id = c.data_key
	where b.tenant_id = septum_blob.current_tenant() and b.ref = p_ref
$$;

create function septum_blob.usage() returns table (blobs bigint, bytes bigint)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select coalesce(sum(u.blobs), 0)::bigint, coalesce(sum(u.bytes), 0)::bigint
	from septum_blob.usage u where u.tenant_id = septum_blob.current_tenant()
$$;

revoke execute on all functions in schema septum_blob from public;
