package rls_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// A coordinator as the target of a Directory's pool tier, and of a silo, beside a target that is none: scope and policies
// have each target's own form. The coordinator is faked, as in TestCitus.
func TestTiersOnCitus(t *testing.T) {
	t.Parallel()
	c := newCitus(t)
	plain := rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed), rlstest.Catalog(hospital))
	p, through := newProxy(t, c.AppURL)
	urls := map[string]string{"citus": through, "plain": plain.AppURL}
	for _, tier := range []rls.Tier{rls.TierPool, rls.TierSilo} {
		b := newBoard()
		b.put(mary, rls.Entry{Tier: tier, Target: "citus"})
		b.put(paul, rls.Entry{Tier: rls.TierPool, Target: "plain"})
		db, err := rls.Open(t.Context(), rls.Config{Directory: b, PingAfter: time.Hour, Credentials: credentialsOf(urls)}, hospital)
		require.NoError(t, err)
		mary, paul := bind(t, context.Background(), mary), bind(t, context.Background(), paul)
		for range 2 {
			require.Equal(t, "Mary 1", patientsOf(t, db, mary)[0])
			require.Equal(t, "Paul 1", patientsOf(t, db, paul)[0])
		}
		// BEGIN and SET LOCAL travel for the one, in the same round trip.
		require.EqualValues(t, 1, p.count(func() { require.NoError(t, read(db, mary)) }))
		require.NoError(t, db.InTx(mary, func(tx *rls.Tx) error {
			return tx.Exec(mary, rename, query.Args{"id": 2, "name": string(tier)})
		}))
		require.Equal(t, string(tier), c.nameOf(t, mary.Tenant(), 2))
		requireCode(t, db.Exec(mary, admit, query.Args{"id": 1, "name": "again"}), "23505")
		require.NoError(t, read(db, mary))
		_, err = db.QueryUnproved(mary, `insert into patients values ('`+paul.Tenant().String()+`', 77, 'planted')`)
		requireCode(t, err, "42501")
		db.Close()
	}
	refused := func(entry rls.Entry, code rls.Code, change ...func(*rls.Config)) {
		t.Helper()
		b := newBoard()
		b.put(mary, entry)
		cfg := rls.Config{Directory: b, Credentials: credentialsOf(urls)}
		for _, f := range change {
			f(&cfg)
		}
		db, err := rls.Open(t.Context(), cfg, hospital)
		require.NoError(t, err)
		defer db.Close()
		var open *rls.OpenError
		err = read(db, bind(t, context.Background(), mary))
		require.ErrorAs(t, err, &open)
		require.True(t, open.Has(code), err)
	}
	pool := rls.Entry{Tier: rls.TierPool, Target: "citus"}
	refused(pool, rls.CitusTier, func(cfg *rls.Config) { cfg.TenantFrom = rls.FromLogin })
	refused(pool, rls.StickyScope, func(cfg *rls.Config) { cfg.StickyScope = true })
	refused(rls.Entry{Tier: rls.TierBridge, Target: "citus", Login: c.AppRole, Schema: "s"}, rls.CitusTier)
	c.sql(t, `set allow_system_table_mods = on; update pg_dist_partition set colocationid = 7 where logicalrelid = 'encounters'::regclass`)
	refused(pool, rls.CitusColocation)
}

// MigrateAll writes the policies of a coordinator's tables in Citus's form, and makes no schema there.
func TestMigrateAllOnCitus(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.exec(t, fakeDistribution()+"alter table patients owner to "+ownerOf(t, w)+"; alter table encounters owner to "+ownerOf(t, w)+"; alter table audit_log owner to "+ownerOf(t, w))
	directory, err := rls.NewStaticDirectory(map[tenant.ID]rls.Entry{mary: poolEntry, paul: poolEntry})
	require.NoError(t, err)
	_, err = rls.MigrateAll(sweeper(t), rls.MigrateOptions{Directory: directory, Credentials: w.owner(), Catalog: hospital, AppRole: w.AppRole,
		Migrations: mustRead(t, map[string]string{"1.sql": "create table notes (id int)"})})
	require.NoError(t, err)
	require.NoError(t, read(w.open(t), bind(t, t.Context(), mary)))
	_, err = rls.Provision(t.Context(), w.provisioning(t), townID("Anna"))
	require.ErrorIs(t, err, rls.ErrProvision)
}

func credentialsOf(urls map[string]string) rls.Credentials {
	return rls.CredentialsFunc(func(_ context.Context, ask rls.CredentialRequest) (rls.Credential, error) {
		return rls.Credential{URL: urls[ask.Target]}, nil
	})
}
