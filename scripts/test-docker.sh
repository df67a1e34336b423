#!/usr/bin/env bash
# Runs the tests of internal/pgtest and rls/rlstest on a real Docker engine. It uses the engine that is running, else
# (as root) installs and starts one of its own, with a socket and a data directory of its own, and stops it at the end.
# SEPTUM_POSTGRES_IMAGE names the image; where postgres:18 can't be pulled either, one is made of Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "test-docker: $*"; }

install_packages() {
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "needs $*; install them, or run this as root where apt-get is" >&2
		exit 1
	fi
	say "installing $*"
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$work/apt.log" 2>&1 ||
		{ tail -20 "$work/apt.log" >&2; exit 1; }
}

work=$(mktemp -d)
engine=
cleanup() {
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if ! docker version >/dev/null 2>&1; then
	if [ "$(id -u)" != 0 ]; then
		say "no Docker engine answers, and starting one takes root" >&2
		exit 1
	fi
	command -v dockerd >/dev/null || install_packages docker.io
	# No rules in the firewall: ports are published by docker-proxy, which is enough, and nothing of the machine changes.
	# vfs works on every file system.
	export DOCKER_HOST="unix://$work/docker.sock"
	say "starting an engine"
	dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" \
		--iptables=false --ip6tables=false --storage-driver=vfs >"$work/dockerd.log" 2>&1 &
	engine=$!
	for _ in $(seq 100); do
		docker version >/dev/null 2>&1 && break
		kill -0 "$engine" 2>/dev/null || break
		sleep 0.1
	done
	docker version >/dev/null 2>&1 || { tail -20 "$work/dockerd.log" >&2; exit 1; }
fi

image=${SEPTUM_POSTGRES_IMAGE:-postgres:18}
if ! docker image inspect "$image" >/dev/null 2>&1 && ! timeout 300 docker pull -q "$image" >"$work/pull.log" 2>&1; then
	say "can't pull $image: $(tail -1 "$work/pull.log")"
	image=septum-postgres:15
	command -v debootstrap >/dev/null || install_packages debootstrap
	scripts/docker-image.sh "$image"
fi

say "testing with $image"
SEPTUM_POSTGRES=docker SEPTUM_POSTGRES_IMAGE=$image SEPTUM_POSTGRES_URL='' \
	go test -count=1 ./internal/pgtest/... ./rls/rlstest/... "$@"

for _ in $(seq 100); do # removing takes the engine a moment
	left=$(docker ps -a -q --filter label=septum.test=true)
	[ -n "$left" ] || break
	sleep 0.2
done
if [ -n "$left" ]; then
	say "containers were left behind: $left" >&2
	exit 1
fi
say "no container was left behind"
