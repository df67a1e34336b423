#!/usr/bin/env bash
# Fetches GNUmed's server package of Debian, builds its database on a PostgreSQL of its own, and runs septum init, audit and
# plan on it. The package is GPL and its bootstrap takes some ten minutes, so neither is part of the repository or of CI; what
# comes out is judged in docs/gnumed.md. Everything stays in one directory (default .cache/gnumed), which is kept: a second
# run starts the server that the first one filled. Usage: scripts/gnumed.sh [directory]. Needs apt-get, python3 and PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."

repo=$PWD
dir=${1:-.cache/gnumed}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
say() { echo "gnumed: $*"; }

QUIET=1 scripts/setup.sh postgres psycopg2
bin=
for place in ${PATH//:/ } /usr/lib/postgresql/*/bin; do
	[ -x "$place/initdb" ] && bin=$place
done
[ -n "$bin" ] || { say "no PostgreSQL server binaries on this machine" >&2; exit 1; }

# The server refuses to run as root.
as_server() {
	if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi
}
export PGHOST=$dir/socket PGPORT=${GNUMED_PORT:-54329} PGUSER=postgres GM_DB_PORT=${GNUMED_PORT:-54329}

if [ ! -d "$dir/package" ]; then
	say "fetching gnumed-server from Debian"
	(cd "$dir" && apt-get download -q gnumed-server >/dev/null && dpkg-deb -x gnumed-server_*.deb package.new)
	mv "$dir/package.new" "$dir/package"
fi
if [ ! -d "$dir/data" ]; then
	mkdir -p "$dir/data" "$PGHOST"
	if [ "$(id -u)" = 0 ]; then chown postgres "$dir/data" "$PGHOST"; fi
	as_server "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log"
fi
start() {
	as_server "$bin/pg_ctl" -D "$dir/data" -w -s -l "$PGHOST/server.log" \
		-o "-c listen_addresses= -c unix_socket_directories='$PGHOST' -p $PGPORT -c fsync=off -c synchronous_commit=off" start
}
stop() { as_server "$bin/pg_ctl" -D "$dir/data" -m fast -s stop || true; }
as_server "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1 || start
trap stop EXIT

if [ ! -e "$dir/built" ]; then
	say "building its database (some ten minutes; log in $dir/bootstrap.log)"
	# A bootstrap that was cut off starts over.
	psql -qAt -d postgres -c "select format('drop database %I;', datname) from pg_database where datname like 'gnumed%'" | psql -q -d postgres
	(cd "$dir/package/var/lib/gnumed/server/bootstrap" &&
		/usr/bin/python3 ./bootstrap_gm_db_system.py --log-file="$dir/bootstrap.log" --conf-file=bootstrap-latest.conf --quiet) >"$dir/bootstrap.out" 2>&1 </dev/null ||
		{ tail -30 "$dir/bootstrap.out" >&2; exit 1; }
	psql -qAt -d postgres -c "select format('drop database %I;', datname) from pg_database where datname like 'gnumed%' and datname <> 'gnumed_v22'" | psql -q -d postgres
	touch "$dir/built"
fi
psql -q -d postgres -c "do \$\$ begin if to_regrole('clinic_app') is null then create role clinic_app login; end if; end \$\$"

cd "$repo"
go build -o "$dir/septum" ./cmd/septum
url="postgres://postgres@/gnumed_v22?host=$PGHOST&port=$PGPORT"
run() { # 1 means findings, which is what this is for
	local name=$1 code=0
	shift
	"$dir/septum" "$@" >"$dir/$name" || code=$?
	say "septum $1 → $dir/$name (exit $code)"
	[ "$code" -le 1 ]
}
# GNUmed is made for one practice, so its tenant column is to be added. Persons are where a practice's data begin; the rest
# follows from foreign keys. What init can't decide is left out here, where a reviewer would decide.
rm -f "$dir/catalog.json"
run init.txt init --url "$url" --tenant-column pk_practice:bigint --tenant dem.identity --skip 'audit.*' --out "$dir/catalog.json"
run audit.json audit --catalog "$dir/catalog.json" --url "$url" --login clinic_app --format json
run audit.html report html --audit "$dir/audit.json"
run plan.sql plan --catalog "$dir/catalog.json" --url "$url" --login clinic_app --existing-tenant 1
# Whether the plan can be carried out: on a copy, by psql, like anybody would.
psql -q -d postgres -c "drop database if exists gnumed_tried" -c "create database gnumed_tried template gnumed_v22"
if psql -q -X -d gnumed_tried -f "$dir/plan.sql" >"$dir/tried.txt" 2>&1; then say "the plan was carried out on a copy"; else say "the plan stopped on a copy: $(grep -m1 ERROR "$dir/tried.txt")"; fi
run left.sql plan --catalog "$dir/catalog.json" --url "${url/gnumed_v22/gnumed_tried}" --login clinic_app --existing-tenant 1
say "read docs/gnumed.md beside them"
