#!/usr/bin/env bash
# Finds or installs what the make targets need, and says what it did.
# Usage: scripts/setup.sh [postgres] [redis] [pgbouncer] [s3] [cc] [lint] …
# Root installs packages where apt-get is, others do where sudo asks for no password; else they are unpacked into .bin, or it
# says what will do instead.
set -euo pipefail
cd "$(dirname "$0")/.."

golangci=v2.15.0
versitygw=v1.8.0

say() { echo "setup: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# apt_install <package> …: as root, or where sudo asks for no password. No package starts its service: nobody asked for one.
apt_install() {
	local sudo= log status=0 policy=/usr/sbin/policy-rc.d
	have apt-get || return 1
	if [ "$(id -u)" != 0 ]; then
		have sudo && sudo -n true 2>/dev/null || return 1
		sudo="sudo -n"
	fi
	say "installing $* with apt-get"
	log=$(mktemp)
	if [ -e "$policy" ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
		$sudo chmod 755 "$policy"
	fi
	{ $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
		apt-get install -q -y --no-install-recommends "$@"; } >"$log" 2>&1 || { tail -5 "$log" >&2; status=1; }
	rm -f "$log"
	[ -z "$policy" ] || $sudo rm -f "$policy"
	return $status
}

# unpack <package> <binary> …: programs in .bin without the right to install: the package and what it lacks here, unpacked
# below .bin, with lists and downloads of apt's in there too.
unpack() {
	local package=$1 dir=$PWD/.bin/$1.d binary path
	shift
	have apt-get && have dpkg-deb || return 1
	say "unpacking $package into .bin, since there is no right to install it"
	rm -rf "$dir"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	local apt=(apt-get -q -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Debug::NoLocking=1)
	(
		"${apt[@]}" update
		cd "$dir"
		"${apt[@]}" -s install --no-install-recommends "$package" | awk '/^Inst /{print $2}' | xargs "${apt[@]}" download
		for deb in *.deb; do dpkg-deb -x "$deb" .; done
		rm -rf ./*.deb lists cache
	) >"$dir/log" 2>&1 || { tail -3 "$dir/log" >&2; return 1; }
	for binary in "$@"; do
		path=$(find "$dir/usr" -path "*bin/$binary" | head -1)
		[ -n "$path" ] || return 1
		printf '#!/bin/sh\nexport LD_LIBRARY_PATH=$(echo "%s"/usr/lib/*-linux-*)\nexec "%s" "$@"\n' "$dir" "$path" >".bin/$binary"
		chmod 755 ".bin/$binary"
		".bin/$binary" --version >/dev/null 2>&1 || return 1
	done
}

# go: nothing here works without it, and it is not ours to install.
need_go() {
	have go || { say "Go is missing: install Go 1.25 or newer from https://go.dev/dl" >&2; exit 1; }
}

# postgres: the ways of internal/pgtest, in its order.
server_binaries() {
	local dir
	for dir in "$PWD/.bin" ${PATH//:/ } /usr/lib/postgresql/*/bin /usr/libexec/postgresql* /usr/pgsql-*/bin /usr/local/pgsql/bin \
		/opt/homebrew/opt/*/bin /usr/local/opt/*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			echo "$dir"
			return
		fi
	done
	return 1
}
need_postgres() {
	local dir
	case "${SEPTUM_POSTGRES:-}${SEPTUM_POSTGRES_URL:+url}" in
	?*) return ;; # somebody chose
	esac
	if dir=$(server_binaries); then
		[ -n "${QUIET:-}" ] || say "PostgreSQL is in $dir"
		return
	fi
	if have docker && docker version >/dev/null 2>&1; then
		say "no PostgreSQL on this machine; a Docker engine is there"
		return
	fi
	# The package would create and start a server for good; nobody asked for one.
	if [ "$(id -u)" = 0 ] && have apt-get && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
	fi
	if apt_install postgresql || unpack postgresql initdb postgres; then
		say "PostgreSQL is in $(server_binaries || echo "an unknown place")"
	else
		say "no PostgreSQL, no Docker engine and no right to install one: the tests will download a server (once)"
	fi
}

# pgbouncer: a pooler, for the tests of what is promised behind one.
find_pgbouncer() {
	local path
	for path in "${SEPTUM_PGBOUNCER_BIN:-}" "$PWD/.bin/pgbouncer" "$(command -v pgbouncer || true)" /usr/sbin/pgbouncer /usr/local/sbin/pgbouncer /opt/homebrew/bin/pgbouncer; do
		if [ -n "$path" ] && [ -x "$path" ]; then
			echo "$path"
			return
		fi
	done
	return 1
}
need_pgbouncer() {
	local path
	if path=$(find_pgbouncer); then
		[ -n "${QUIET:-}" ] || say "PgBouncer is $path"
		return
	fi
	apt_install pgbouncer || unpack pgbouncer pgbouncer || true
	if path=$(find_pgbouncer); then
		say "PgBouncer is $path"
		return
	fi
	say "PgBouncer is missing, and can't be installed from here: install your system's package, or set SEPTUM_PGBOUNCER_BIN; the tests behind a pooler fail without it" >&2
}

# redis: what internal/redistest looks for. There is nothing to download where it can't be installed.
redis_binary() {
	local name dir
	for name in redis-server valkey-server; do
		for dir in "$PWD/.bin" ${PATH//:/ } /usr/bin /usr/local/bin /usr/sbin /usr/local/sbin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin; do
			if [ -x "$dir/$name" ]; then
				echo "$dir/$name"
				return
			fi
		done
	done
	return 1
}
need_redis() {
	local path
	[ -z "${SEPTUM_REDIS_BIN:-}" ] || return 0 # somebody chose
	if path=$(redis_binary); then
		[ -n "${QUIET:-}" ] || say "Redis is $path"
		return
	fi
	apt_install redis-server || unpack redis-server redis-server || true
	if path=$(redis_binary); then
		say "Redis is $path"
		return
	fi
	if [ -n "${SEPTUM_REDIS_URL:-}" ]; then
		say "no redis-server here: tests use SEPTUM_REDIS_URL, but those that kill a server will fail" >&2
		return
	fi
	say "no redis-server or valkey-server, and no right to install one: the tests of cache/rediscache will fail. Install Redis 6 or newer" >&2
	say "(apt install redis-server; dnf install redis; brew install redis), or name a binary in SEPTUM_REDIS_BIN" >&2
}

# cc: the race detector and the parser's oracle are C.
need_cc() {
	if have "${CC:-gcc}" || have cc; then
		return
	fi
	apt_install gcc libc6-dev || { say "a C compiler is missing, and it can't be installed from here" >&2; exit 1; }
}

# npm: for the server binaries of the version matrix.
need_npm() {
	have npm && return
	apt_install npm || { say "npm is missing, and it can't be installed from here" >&2; exit 1; }
	say "installed npm"
}

need_lint() {
	if [ -x .bin/golangci-lint ] && .bin/golangci-lint version 2>/dev/null | grep -q "version ${golangci#v} "; then
		return
	fi
	say "building golangci-lint $golangci into .bin (once; some minutes)"
	GOBIN="$PWD/.bin" GOFLAGS='' go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci"
}

# s3: the server that s3blob's tests speak to.
need_s3() {
	if [ -x .bin/versitygw ] && go version -m .bin/versitygw 2>/dev/null | grep -q "versitygw[[:space:]]*$versitygw\b"; then
		return
	fi
	say "building versitygw $versitygw into .bin (once; a minute or two)"
	GOBIN="$PWD/.bin" GOFLAGS='' go install "github.com/versity/versitygw/cmd/versitygw@$versitygw"
}

# psycopg2: for the bootstrap of scripts/gnumed.sh.
need_psycopg2() {
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null && return # the system's Python is the one that packages install for
	apt_install python3 python3-psycopg2 || { say "python3 with psycopg2 is missing, and can't be installed from here" >&2; exit 1; }
}

# chromium: the browser in which the HTML report is looked at by its test (cmd/septum).
chromium_binary() {
	local name
	for name in "${SEPTUM_CHROMIUM_BIN:-}" chromium chromium-browser google-chrome google-chrome-stable headless_shell; do
		if [ -n "$name" ] && command -v "$name"; then
			return
		fi
	done
	return 1
}
need_chromium() {
	local path
	if path=$(chromium_binary); then
		[ -n "${QUIET:-}" ] || say "Chromium is $path"
		return
	fi
	apt_install chromium || true
	if path=$(chromium_binary); then
		say "installed $path"
		return
	fi
	say "no Chromium, and no right to install one: the test of the HTML report will fail. Install your system's package," >&2
	say "or name a Chromium or Chrome in SEPTUM_CHROMIUM_BIN" >&2
}

need_go
for what in "${@:-postgres}"; do
	"need_$what"
done
