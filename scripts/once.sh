#!/usr/bin/env bash
# Prints the tests that a list such as scripts/race-once.txt names, as go test's -skip takes them. A name that no test has is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
names=$(sed 's/[[:space:]]*#.*//' "$1" | grep .)
for name in $names; do
	if ! grep -rqE --include='*_test.go' "^func $name\(" .; then
		echo "once: $1 names $name, and there is no such test" >&2
		exit 1
	fi
done
echo "^(${names//$'\n'/|})\$"
