-- The other tenants' rows of one world; $world is 0 or 1. Ids collide with those of tenant 1 on purpose, and rows of no tenant exist.
INSERT INTO tenants SELECT t, 'other' || t || '/' || $world, 'b' FROM unnest(ARRAY[2, 3, NULL]::bigint[]) t WHERE t IS DISTINCT FROM 3 OR $world = 1;
INSERT INTO patients SELECT t, n + $world, 'name' || (n + $world) % 4, 'm' || n || $world, (ARRAY['a', 'b', 'z'])[1 + (n + $world) % 3],
	'secret' || $world || n, NULLIF((n + $world) / 2, 0), '2024-01-01'::timestamptz + (n + 5 * $world) * interval '1 day', NULL
	FROM unnest(ARRAY[2, 3, NULL]::bigint[]) t, generate_series(1, 6 + $world) n;
INSERT INTO visits SELECT t, n + $world, 1 + (n + $world) % 6, (ARRAY['x', 'y', 'A00', 'q'])[1 + (n + $world) % 4], 'secret' || $world || n,
	'2024-02-01'::timestamptz + (n + 3 * $world) * interval '1 day'
	FROM unnest(ARRAY[2, 3, NULL]::bigint[]) t, generate_series(1, 6 + $world) n;
INSERT INTO invoices SELECT t, n + $world, 1 + (n + $world) % 7, 1 + (n + $world) % 5, n * 1000 + $world, (ARRAY['open', 'void', 'paid'])[1 + (n + $world) % 3]
	FROM unnest(ARRAY[2, 3, NULL]::bigint[]) t, generate_series(1, 6 + $world) n;
