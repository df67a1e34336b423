package rls

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// MigrateOptions say what MigrateAll does.
type MigrateOptions struct {
	// Directory lists the tenants. Required.
	Directory Lister
	// Credentials give the owner's login for each target, as in ProvisionOptions. Required.
	Credentials Credentials
	// Catalog and Migrations are those of the program that will run afterwards. Required.
	Catalog    *query.Catalog
	Migrations *Migrations
	// TenantFrom is where the policies read the tenant. Default: FromSetting.
	TenantFrom TenantSource
	// AppRole is the role of the policies where tenants share a login: in the pool tier, and in silos without a Login in
	// their entry.
	AppRole string
	// Parallel is how many places are migrated at a time. Default: 4.
	Parallel int
	// LockTimeout is as in Options.
	LockTimeout time.Duration
}

// MigrateReport says what came of each tenant.
type MigrateReport struct{ Outcomes []MigrateOutcome }

// MigrateOutcome is one tenant's. Tenants that share tables share what was applied, and the error.
type MigrateOutcome struct {
	Tenant  tenant.ID
	Entry   Entry    // zero when the Directory could not say
	Applied []string // names of the files that were applied now; empty when the place was up to date
	Err     error    // nil when the place is up to date
}

// MigrateAll brings every tenant's place up to date, with the policies of the catalog at the end, and goes on when one
// fails (threat L03). The report has all outcomes; the error, a [*SweepError], says that there were failures. It can be
// repeated: what is done is passed over, and what was interrupted goes on. A tenant that is on its way to another place
// is ErrMoving, and is to be migrated again when it is there.
//
// Each tenant is entered as the operator, so its observer sees all of them.
func MigrateAll(op tenant.Operator, o MigrateOptions) (MigrateReport, error) {
	if o.Directory == nil || o.Credentials == nil || o.Catalog == nil || o.Migrations == nil {
		return MigrateReport{}, fmt.Errorf("rls: MigrateAll: %w: Directory, Credentials, Catalog and Migrations are required", ErrOptions)
	}
	positive(&o.Parallel, 4)
	positive(&o.LockTimeout, 5*time.Second)
	m := migrating{o: o, groups: map[place]*migratedPlace{}}
	var listErr error
	err := sweep(op, m.tenants(op.Context(), &listErr), o.Parallel, m.one)
	report := MigrateReport{}
	for _, outcome := range m.outcomes {
		report.Outcomes = append(report.Outcomes, *outcome)
	}
	if listErr != nil {
		err = errors.Join(fmt.Errorf("rls: MigrateAll: the directory could not list all tenants: %w", because{ErrUnavailable, silence{listErr}}), err)
	}
	return report, err
}

// migrating is a run of MigrateAll.
type migrating struct {
	o        MigrateOptions
	mu       sync.Mutex
	groups   map[place]*migratedPlace
	outcomes []*MigrateOutcome // in the order of the sweep
	byTenant sync.Map          // tenant.ID to *MigrateOutcome
}

// migratedPlace is one schema. The first of its tenants migrates it, the others wait for that.
type migratedPlace struct {
	once    sync.Once
	applied []string
	err     error
}

func (m *migrating) tenants(ctx context.Context, listErr *error) iter.Seq[tenant.ID] {
	return func(yield func(tenant.ID) bool) {
		for id, err := range m.o.Directory.Tenants(ctx) {
			if err != nil {
				*listErr = err
				return
			}
			outcome := &MigrateOutcome{Tenant: id, Err: tenant.ErrExpired} // until it was tried
			m.outcomes = append(m.outcomes, outcome)
			m.byTenant.Store(id, outcome)
			if !yield(id) {
				return
			}
		}
	}
}

// one migrates one tenant's place.
func (m *migrating) one(tc tenant.Context) (err error) {
	found, _ := m.byTenant.Load(tc.Tenant())
	outcome := found.(*MigrateOutcome)
	outcome.Err = errPanicked // unless it comes to an end
	defer func() {
		if outcome.Err != nil {
			err = outcome.Err
		}
	}()
	outcome.Entry, outcome.Err = m.entry(tc)
	if outcome.Err != nil {
		return outcome.Err
	}
	at := outcome.Entry.place(tc.Tenant())
	if at.tier == TierPool {
		at = place{tier: TierPool, target: at.target, schema: at.schema} // whatever the logins are
	}
	m.mu.Lock()
	group := m.groups[at]
	if group == nil {
		group = &migratedPlace{err: errPanicked}
		m.groups[at] = group
	}
	m.mu.Unlock()
	group.once.Do(func() { group.applied, group.err = m.place(tc, at, outcome.Entry) })
	outcome.Applied, outcome.Err = group.applied, group.err
	return outcome.Err
}

func (m *migrating) entry(tc tenant.Context) (Entry, error) {
	entry, err := m.o.Directory.Resolve(tc, tc.Tenant())
	switch {
	case errors.Is(err, ErrUnknownTenant):
		return Entry{}, ErrUnknownTenant // erased since it was listed
	case err != nil:
		return Entry{}, because{ErrUnavailable, silence{err}}
	case entry.Status == StatusMoving:
		return entry, ErrMoving
	}
	return entry, entry.check()
}

// place migrates one schema and installs its policies.
func (m *migrating) place(ctx context.Context, at place, entry Entry) ([]string, error) {
	options := Options{AppRole: m.o.AppRole, TenantFrom: m.o.TenantFrom, LockTimeout: m.o.LockTimeout}
	if at.tier != TierPool && entry.Login != "" {
		options.AppRole = entry.Login
	}
	if options.AppRole == "" {
		return nil, fmt.Errorf("%w: AppRole is required for the pool tier, and for silos without a login in their entry", ErrOptions)
	}
	lock := "septum schema " + at.schema
	if at.schema != "public" {
		options.Schema = at.schema
	}
	conn, err := connectOwner(ctx, m.o.Credentials, CredentialRequest{Target: at.target, Tenant: at.tenant})
	if err != nil {
		return nil, err
	}
	defer closeOwner(ctx, conn)
	var applied []string
	err = locked(ctx, conn, lock, func() error {
		if applied, err = m.o.Migrations.apply(ctx, conn, at.schema); err != nil {
			return err
		}
		return applyIn(ctx, conn, m.o.Catalog, options)
	})
	return applied, err
}
