#!/usr/bin/env bash
# Runs the storms (tests named TestStorm…) beside each other for SEPTUM_STORM each, under the race detector; and without it what is long
# and no storm: it needs the bytes, not the detector.
# Usage: SEPTUM_STORM=60s scripts/storm.sh <package pattern> [go test argument …]
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-./...}
shift || true

# having <function> …: the packages with such a test. Linking all others takes longer than the storms.
having() {
	go list -f '{{.Dir}}' "$pattern" | while read -r dir; do
		if grep -qsE "^func $1" "$dir"/*_test.go; then echo "$dir"; fi
	done
}
mapfile -t storms < <(having TestStorm)
lengthy='(TestALongPipe|TestKnownContentTakesAsLongAsFresh)'
mapfile -t long < <(having "$lengthy\(")
status=0
if [ ${#storms[@]} = 0 ]; then
	echo "storm: no storm in $pattern" >&2
	exit 1
fi
go test -race -vet=off -p ${#storms[@]} -timeout 15m -run '^TestStorm' "$@" "${storms[@]}" || status=1
if [ ${#long[@]} -gt 0 ]; then
	go test -vet=off -timeout 15m -run "^$lengthy\$" "$@" "${long[@]}" || status=1
fi
exit $status
