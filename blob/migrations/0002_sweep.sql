-- Sweeps: what they may do, they do for the tenant of the setting, and only after they looked again under a lock.
-- Calling these functions early or often does no harm.

-- sweep_uploads gives up uploads that are older than the grace period.
create function septum_blob.sweep_uploads(p_grace interval, p_limit integer) returns table (swept bigint)
language sql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	with stale as (
		select u.key from septum_blob.uploads u
		where u.tenant_id = septum_blob.current_tenant() and u.started_at < clock_timestamp() - p_grace
		order by u.started_at limit p_limit for update skip locked
	), gone as (
		delete from septum_blob.uploads u using stale where u.key = stale.key returning u.key, u.tenant_id
	), kept as (
		insert into septum_blob.garbage (key, tenant_id) select gone.key, gone.tenant_id from gone returning 1
	)
	select count(*) from kept
$$;

-- sweep_loose turns content without links into garbage. The lock on the content waits for whoever is linking it, the
-- second look sees their link, and a link that comes later meets the foreign key.
create function septum_blob.sweep_loose(p_limit integer) returns table (looked bigint, freed bigint)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
declare
	t {{setting}} := septum_blob.current_tenant();
	l record;
	k text;
begin
	looked := 0;
	freed := 0;
	for l in select x.content_id from septum_blob.loose x where x.tenant_id = t order by x.since limit p_limit for update skip locked loop
		looked := looked + 1;
		select c.key into k from septum_blob.content c where c.id = l.content_id for update;
		if found and not exists (select from septum_blob.links x where x.content_id = l.content_id) then
			delete from septum_blob.content c where c.id = l.content_id;
			insert into septum_blob.garbage (key, tenant_id) values (k, t);
			freed := freed + 1;
		end if;
		delete from septum_blob.loose x where x.tenant_id = t and x.content_id = l.content_id;
	end loop;
	return next;
end $$;

-- sweep_garbage lists bytes to delete; sweep_done forgets them when they are.
create function septum_blob.sweep_garbage(p_after text, p_limit integer) returns table (key text)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select g.key from septum_blob.garbage g where g.tenant_id = septum_blob.current_tenant() and g.key > p_after
	order by g.key limit p_limit
$$;
create function septum_blob.sweep_done(p_keys text[]) returns table (forgotten bigint)
language sql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	with gone as (
		delete from septum_blob.garbage g where g.tenant_id = septum_blob.current_tenant() and g.key = any(p_keys) returning 1
	)
	select count(*) from gone
$$;

-- sweep_known tells which of the storage keys belong to content or to an upload under way. Keys are random, so whoever
-- can ask has them from the storage.
create function septum_blob.sweep_known(p_keys text[]) returns table (key text)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select c.key from septum_blob.content c where c.key = any(p_keys)
	union all
	select u.key from septum_blob.uploads u where u.key = any(p_keys)
$$;

-- sweep_copies finds for the tenant's new content an older copy with the same hash; sweep_merge has links of one copy
-- point to the other. Both copies are locked, the older one first, so that two sweeps can't merge them both ways.
create function septum_blob.sweep_copies(p_limit integer)
returns table (id uuid, older uuid, hash bytea, size bigint,
	key text, sealing text, row_key bytea, data_key uuid, wrapped bytea,
	older_key text, older_sealing text, older_row_key bytea, older_data_key uuid, older_wrapped bytea)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select c.id, o.id, c.hash, c.size, c.key, c.sealing, c.row_key, c.data_key, ck.wrapped,
		o.key, o.sealing, o.row_key, o.data_key, ok.wrapped
	from septum_blob.fresh f join septum_blob.content c on c.id = f.content_id
		left join septum_blob.data_keys ck on ck.id = c.data_key
		left join lateral (
			select x.* from septum_blob.content x
			where x.shared and x.hash = c.hash and x.size = c.size and (x.created_at, x.id) < (c.created_at, c.id)
				and exists (select from septum_blob.links l where l.content_id = x.id)
				-- a copy that only one tenant's key opens is of no use to another
				and (x.data_key is null or exists (select from septum_blob.data_keys d where d.id = x.data_key and d.tenant_id is null))
				and x.sealing = c.sealing
			order by x.created_at, x.id limit 1) o on true
		left join septum_blob.data_keys ok on ok.id = o.data_key
	where f.tenant_id = septum_blob.current_tenant() limit p_limit
$$;
create function septum_blob.sweep_merge(p_from uuid, p_into uuid) returns table (merged bigint)
language plpgsql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
begin
	perform septum_blob.current_tenant();
	merged := 0;
	perform from septum_blob.content c where c.id in (p_from, p_into) order by c.created_at, c.id for no key update;
	if exists (select from septum_blob.content a join septum_blob.content b on b.hash = a.hash and b.size = a.size
			where a.id = p_from and b.id = p_into and a.id <> b.id and a.shared and b.shared
				and (a.sealing = 'plain') = (b.sealing = 'plain')
				and (b.data_key is null or exists (select from septum_blob.data_keys d where d.id = b.data_key and d.tenant_id is null))) then
		update septum_blob.links l set content_id = p_into where l.content_id = p_from;
		get diagnostics merged = row_count;
	end if;
	return next;
end $$;
create function septum_blob.sweep_merged(p_ids uuid[]) returns table (forgotten bigint)
language sql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	with gone as (
		delete from septum_blob.fresh f where f.tenant_id = septum_blob.current_tenant() and f.content_id = any(p_ids) returning 1
	)
	select count(*) from gone
$$;

-- alone lists the tenant's blobs whose content nobody else owns, by ref.
create function septum_blob.alone(p_after text, p_limit integer)
returns table (ref text, size bigint, media_type text, name text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	select b.ref, b.size, b.media_type, b.name, b.created_at
	from septum_blob.blobs b
		join septum_blob.links l on l.tenant_id = b.tenant_id and l.ref = b.ref
		join septum_blob.content c on c.id = l.content_id
	where b.tenant_id = septum_blob.current_tenant() and b.ref > p_after
		and not exists (select from septum_blob.content x join septum_blob.links y on y.content_id = x.id
			where x.shared and c.shared and x.hash = c.hash and x.size = c.size and y.tenant_id <> l.tenant_id)
	order by b.ref limit p_limit
$$;

-- forget_keys drops the tenant's wrapped data keys: what they sealed can't be read again.
create function septum_blob.forget_keys() returns table (forgotten bigint)
language sql security definer set search_path = pg_catalog, septum_blob, pg_temp as $$
	with gone as (
		delete from septum_blob.data_keys d where d.tenant_id = septum_blob.current_tenant() returning 1
	)
	select count(*) from gone
$$;

revoke execute on all functions in schema septum_blob from public;
