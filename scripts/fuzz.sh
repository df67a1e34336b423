#!/usr/bin/env bash
# Runs every fuzz target of the repository, each for its share of the time. Usage: scripts/fuzz.sh [seconds [pattern]].
# With MUTANTS=n it tries n mutants of statements on two databases, and random programs, none of which ran before.
set -euo pipefail
cd "$(dirname "$0")/.."

total=${1:-60}
pattern=${2:-.}
total=${total%s}

# Lines "./package FuzzName". Nested modules have their own go.mod and are not part of ./... here.
targets=$(go list -f '{{.Dir}}{{"\t"}}{{.ImportPath}}{{range .TestGoFiles}} {{.}}{{end}}{{range .XTestGoFiles}} {{.}}{{end}}' ./... |
	while IFS=$'\t' read -r dir rest; do
		read -r -a files <<<"$rest"
		for file in "${files[@]:1}"; do
			sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$dir ${files[0]} \1|p" "$dir/$file"
		done
	done | grep -E "$pattern" | sort)
count=$(wc -l <<<"$targets")
[ -n "$targets" ] || { echo "fuzz: no target matches $pattern" >&2; exit 1; }
share=$((total / count))
[ "$share" -ge 1 ] || share=1
echo "fuzz: $count targets, $share s each"

# "go test -fuzz" builds and links the package anew for each of its targets; that takes longer than a short turn of fuzzing.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built=
while read -r dir package name; do
	if [ "$built" != "$package" ]; then
		go test -c -fuzz . -vet=off -ldflags='-s -w' -o "$work/fuzz" "$package"
		built=$package
	fi
	echo "fuzz: $name"
	# The corpus of what was found before is where "go test -fuzz" keeps it.
	(cd "$dir" && "$work/fuzz" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "${share}s" -test.paniconexit0 \
		-test.fuzzcachedir "$(go env GOCACHE)/fuzz/$package") </dev/null
done <<<"$targets"
if [ -n "${MUTANTS:-}" ]; then
	echo "fuzz: $MUTANTS mutants"
	SEPTUM_MUTANTS=$MUTANTS SEPTUM_SEED=random go test -count=1 -timeout 0 -run 'Interfere' -v ./internal/sqlproof
	go test -count=1 -timeout 0 ./query -rapid.seed=0 -rapid.checks=2000
fi
