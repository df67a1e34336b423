package tenant

import (
	"log/slog"
	"slices"
	"strings"
)

// Principal is who acts, and for which tenant, as a verified token said it. It is data, not authority: an authority is
// the [Context] that [Bind] makes of it, so build one only from what was verified.
type Principal struct {
	Tenant  ID       // required
	Subject string   // required: the user or service, as an access log must name it (HIPAA 164.312(b))
	Roles   []string // what the token says of the subject; Septum does not interpret them
	TokenID string   // the token's own id (JWT "jti"), to trace or revoke it; may be empty
}

// HasRole reports whether the token gave the role.
func (p Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// LogValue implements slog.LogValuer: tenant, subject and token id, without the roles, which are long.
func (p Principal) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Any("tenant", p.Tenant),
		slog.String("subject", p.Subject),
		slog.String("token_id", p.TokenID),
	)
}

func (p Principal) check(op string) error {
	if p.Tenant.IsZero() {
		return &Error{Op: op, Err: ErrInvalidID, Hint: "the principal has no tenant; verify the token first"}
	}
	if strings.TrimSpace(p.Subject) == "" {
		return &Error{Op: op, Err: ErrPrincipal, Hint: "name the subject, so that an access log can"}
	}
	return nil
}
