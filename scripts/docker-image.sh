#!/usr/bin/env bash
# Makes an image that keeps the official postgres image's promises (entry point, POSTGRES_PASSWORD, port 5432) out of
# Debian packages, for engines that can't pull one. Usage: scripts/docker-image.sh [name:tag]. Needs root and debootstrap;
# the engine is the one the docker command talks to.
set -euo pipefail
cd "$(dirname "$0")/.."

image=${1:-septum-postgres:15}
suite=bookworm version=15 # bookworm's PostgreSQL
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

if docker image inspect "$image" >/dev/null 2>&1; then
	echo "docker-image: $image is there already"
	exit 0
fi

root=$(mktemp -d)
chmod 755 "$root" # it becomes the root directory of all users in the image
trap 'rm -rf "$root"' EXIT
echo "docker-image: installing Debian $suite with PostgreSQL $version into a directory"
debootstrap --variant=minbase --include="postgresql-$version" "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
	{ tail -20 "$root.log" >&2; exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info} \
	"$root"/var/lib/postgresql/*
install -m 755 scripts/docker-entrypoint.sh "$root/usr/local/bin/docker-entrypoint.sh"
tar -C "$root" -c . | docker import \
	--change "ENV PATH=/usr/lib/postgresql/$version/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
	--change 'ENV PGDATA=/var/lib/postgresql/data' \
	--change 'EXPOSE 5432' \
	--change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
	--change 'CMD ["postgres"]' \
	- "$image" >/dev/null
echo "docker-image: made $image"
