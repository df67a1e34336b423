package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/examples/hms/attack"
	"github.com/septum-go/septum/examples/hms/web"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/tenant"
)

// attackWith runs all attacks with some walls down.
func attackWith(t *testing.T, walls attack.Walls) []attack.Result {
	t.Helper()
	ctx := context.Background()
	server, err := pgtest.Shared()
	require.NoError(t, err)
	d := &demo{out: t.Output(), server: server}
	t.Cleanup(func() {
		d.main.shut()
		d.other.shut()
	})
	issuer, err := web.NewIssuer()
	require.NoError(t, err)
	d.main, err = newWorld(ctx, server, issuer)
	require.NoError(t, err)
	d.other, err = newWorld(ctx, server, issuer)
	require.NoError(t, err)
	require.NoError(t, d.load(ctx))
	field := &attack.Field{Walls: walls}
	attacker, victim := tenant.MustParseID(attackerHospital), tenant.MustParseID(victimHospital)
	field.World, err = d.main.forAttack(attacker, victim)
	require.NoError(t, err)
	field.Other, err = d.other.forAttack(attacker, victim)
	require.NoError(t, err)
	if !walls.Database {
		require.NoError(t, d.main.disarm(ctx))
		require.NoError(t, d.other.disarm(ctx))
	}
	results, err := attack.Run(ctx, field)
	require.NoError(t, err)
	require.Len(t, results, len(attack.All()))
	for i, r := range results {
		require.Empty(t, r.Failed, "%s %s could not be tried", r.ID, r.Name)
		require.Equal(t, attack.All()[i].Name, r.Name)
	}
	return results
}

func TestBothWalls(t *testing.T) {
	t.Parallel()
	stopped := map[attack.Wall]int{}
	for _, r := range attackWith(t, attack.Walls{Statement: true, Database: true}) {
		require.Empty(t, r.Leak, "%s %s", r.ID, r.Name)
		require.NotEmpty(t, r.Saw, r.Name)
		stopped[r.Wall]++
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), fmt.Sprintf("and %d attacks with", len(attack.All())), "the README says how many there are")
	for _, wall := range []attack.Wall{attack.Border, attack.Types, attack.Statement, attack.Database} {
		require.GreaterOrEqual(t, stopped[wall], 5, "the attacks try each wall: %v", stopped)
	}
}

// Without proof row-level security stands alone.
func TestDatabaseWallAlone(t *testing.T) {
	t.Parallel()
	for i, r := range attackWith(t, attack.Walls{Database: true}) {
		if attack.All()[i].NeedsProof != "" {
			require.NotEmpty(t, r.Leak, "%s %s says that only the proof stops it", r.ID, r.Name)
			continue
		}
		require.Empty(t, r.Leak, "%s %s", r.ID, r.Name)
	}
}

// Without row-level security the proof stands alone: for all that goes through the library.
func TestStatementWallAlone(t *testing.T) {
	t.Parallel()
	for _, r := range attackWith(t, attack.Walls{Statement: true}) {
		if r.Way != attack.Plain {
			require.Empty(t, r.Leak, "%s %s", r.ID, r.Name)
		}
	}
}

// Without both the attacks succeed, so that their failing means something. What stands on a third leg (the border, the types, a
// grant, a key) goes on standing, and is named here.
func TestNoWall(t *testing.T) {
	t.Parallel()
	third := map[string]bool{}
	for _, name := range []string{
		"a relation of the system: pg_authid, pg_stat_activity",                    // shows texts, and values are never in them
		"400 requests of two hospitals on the same few connections, one statement", // run through the library in any case
		"the same, and every third request is cancelled on its way",
		"pg_statistic itself",
		"hang a row of one's own on another hospital's patient",     // composite foreign key
		"ask the primary key whether another hospital has a number", // composite primary key
		"become the owner of the tables",
		"ALTER TABLE … DISABLE ROW LEVEL SECURITY",
		"one more policy that lets everything through",
		"TRUNCATE, which no policy sees",
		"a trigger that copies rows",
		"a SECURITY DEFINER function of one's own",
		"a view over the table",
		"a temporary table with the name of a table",
		"a foreign key of one's own, which asks whether a row exists",
		"the server's files",
		"a large object made from a file",
		"write the list that belongs to everybody",
	} {
		third[name] = true
	}
	found := map[string]int{} // by each of the three ways to see a leak
	for i, r := range attackWith(t, attack.Walls{}) {
		a := attack.All()[i]
		for _, way := range []string{"read rows of", "changed rows of", "saw a difference"} {
			if strings.HasPrefix(r.Leak, way) {
				found[way]++
			}
		}
		if a.Way == attack.HTTP || r.Wall == attack.Types {
			require.Empty(t, r.Leak, "%s %s", r.ID, r.Name)
			continue
		}
		require.Equal(t, !third[r.Name], r.Leak != "", "%s %s: saw %s", r.ID, r.Name, r.Saw)
	}
	require.GreaterOrEqual(t, found["read rows of"], 20, "%v", found)
	require.GreaterOrEqual(t, found["changed rows of"], 10, "%v", found)
	require.GreaterOrEqual(t, found["saw a difference"], 3, "%v", found)
}
