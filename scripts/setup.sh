#!/usr/bin/env bash
# Finds or installs what the make targets need, and says what it did.
# Usage: scripts/setup.sh [postgres] [redis] [pgbouncer] [s3] [cc] [lint] …
# Root installs packages where apt-get is, others do where sudo asks for no password; else it says what will do instead.
set -euo pipefail
cd "$(dirname "$0")/.."

golangci=v2.15.0
versitygw=v1.8.0

say() { echo "setup: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }

apt_install() {
	local sudo=
	have apt-get || return 1
	if [ "$(id -u)" != 0 ]; then
		have sudo && sudo -n true 2>/dev/null || return 1
		sudo="sudo -n"
	fi
	say "installing $* with apt-get"
	local log
	log=$(mktemp)
	if ! { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
		apt-get install -q -y --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -5 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# go: nothing here works without it, and it is not ours to install.
need_go() {
	have go || { say "Go is missing: install Go 1.25 or newer from https://go.dev/dl" >&2; exit 1; }
}

# postgres: the ways of internal/pgtest, in its order.
server_binaries() {
	local dir
	for dir in ${PATH//:/ } /usr/lib/postgresql/*/bin /usr/libexec/postgresql* /usr/pgsql-*/bin /usr/local/pgsql/bin \
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
	if apt_install postgresql; then
		say "installed PostgreSQL in $(server_binaries || echo "an unknown place")"
	else
		say "no PostgreSQL, no Docker engine and no right to install one: the tests will download a server (once)"
	fi
}

# pgbouncer: a pooler, for the tests of what is promised behind one. Debian's packages are unpacked into .bin where there is
# no right to install them.
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
	# The package would start a service; nobody asked for one.
	if [ "$(id -u)" = 0 ] && [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
		apt_install pgbouncer || true
		rm -f /usr/sbin/policy-rc.d
	else
		apt_install pgbouncer || true
	fi
	find_pgbouncer >/dev/null || unpack_pgbouncer || {
		say "PgBouncer is missing, and can't be installed from here: install your system's package, or set SEPTUM_PGBOUNCER_BIN; the tests behind a pooler fail without it" >&2
		return
	}
	say "installed PgBouncer: $(find_pgbouncer)"
}
unpack_pgbouncer() {
	local dir=$PWD/.bin/pgbouncer.d
	have apt-get && have dpkg-deb || return 1
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && apt-get download -q pgbouncer libevent-2.1-7 libc-ares2 && for deb in *.deb; do dpkg-deb -x "$deb" .; done) >/dev/null 2>&1 || return 1
	printf '#!/bin/sh\nLD_LIBRARY_PATH=$(echo "%s"/usr/lib/*-linux-*) exec "%s/usr/sbin/pgbouncer" "$@"\n' "$dir" "$dir" >.bin/pgbouncer
	chmod 755 .bin/pgbouncer
	.bin/pgbouncer --version >/dev/null 2>&1
}

# redis: what internal/redistest looks for. There is nothing to download where it can't be installed.
redis_binary() {
	local name dir
	for name in redis-server valkey-server; do
		for dir in ${PATH//:/ } /usr/bin /usr/local/bin /usr/sbin /usr/local/sbin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin; do
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
	# The package would start a server, now and at each boot; nobody asked for one.
	local policy=/usr/sbin/policy-rc.d
	if [ "$(id -u)" = 0 ] && have apt-get && [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	else
		policy=
	fi
	apt_install redis-server || true
	if [ -n "$policy" ]; then
		rm -f "$policy"
		have systemctl && systemctl disable --quiet redis-server >/dev/null 2>&1 || true
	fi
	if path=$(redis_binary); then
		say "installed $path"
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

need_go
for what in "${@:-postgres}"; do
	"need_$what"
done
