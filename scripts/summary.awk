# Reads "go test -v" and prints what a person wants to know: each package's verdict, the whole output of those that
# failed, the build errors, and a count. A skipped test counts as a failure: what is not run proves nothing.
function flush_failed(i) { for (i = 1; i <= n; i++) print held[i]; n = 0 }
/^[ \t]*--- PASS: / { passed++; next }
/^[ \t]*--- SKIP: / { skipped++; skips = skips "\n  " $0 }
/^[ \t]*--- FAIL: / { failed++ }
/^=== (RUN|PAUSE|CONT|NAME) / { next }
/^PASS$/ { next }
/^ok  \t/ { n = 0; packages++; print; next }
/^\?   \t/ { n = 0; next }
/^FAIL\t/ { flush_failed(); packages++; broken++; print; next }
/^FAIL$/ { next }
{ held[++n] = $0 }
END {
	flush_failed()
	printf "tests: %d passed, %d failed, %d skipped in %d packages", passed, failed, skipped, packages
	if (broken) printf " (%d packages failed)", broken
	print ""
	if (skipped) print "tests: skipped, which counts as failed:" skips
	if (failed || broken || skipped || !passed) exit 1
}
