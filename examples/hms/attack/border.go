package attack

import (
	"errors"
	"net/http"
	"strings"
)

// foreignPatient is a patient number that the victim's hospital has and the attacker's has not.
const foreignPatient = "9"

// borderAttacks come through the front door: a request that claims to be somebody else's.
var borderAttacks = []Attack{
	{Threats: "X04", Name: "own token, and headers that name another hospital", Way: HTTP, run: func(a *attacker) error {
		return a.asMyself("/patients", func(r *http.Request) {
			for _, name := range []string{"X-Tenant-ID", "X-Tenant", "X-Org-ID", "Tenant", "X-Forwarded-User"} {
				r.Header.Set(name, a.victim())
			}
		})
	}},
	{Threats: "X04", Name: "own token; host, query and cookie name another hospital", Way: HTTP, run: func(a *attacker) error {
		return a.asMyself("/patients?tenant="+a.victim()+"&tenant_id="+a.victim(), func(r *http.Request) {
			r.Host = a.victim() + ".example"
			r.AddCookie(&http.Cookie{Name: "tenant", Value: a.victim()})
		})
	}},
	{Threats: "X04", Name: "no token, an empty one, two of them", Way: HTTP, run: func(a *attacker) error {
		return errors.Join(
			a.refused("", func(r *http.Request) { r.Header.Set("X-Tenant-ID", a.victim()) }),
			a.refused("", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }),
			a.refused(a.world.Token, func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+a.world.Forgeries["none"]) }))
	}},
	forged("none", "a token for the other hospital that asks for no signature (alg none)"),
	forged("own key", "a token for the other hospital, signed with a key of the attacker's"),
	forged("hmac", "a token signed with the public key as a shared secret"),
	forged("changed", "the attacker's own token, its tenant changed after signing"),
	forged("expired", "a user's token of the other hospital that expired an hour ago"),
	forged("audience", "a user's token of the other hospital, made for another service"),
	forged("two tenants", "a signed token whose tenant claim is a list of two hospitals"),
	forged("no tenant", "a signed token without a tenant"),
	{Threats: "J03", Name: "read a patient number that only another hospital has", Way: HTTP, run: func(a *attacker) error {
		return a.absent(http.MethodGet, "/patients/"+foreignPatient, "/patients/999999")
	}},
	{Threats: "J03", Name: "its chart, and its invoice", Way: HTTP, run: func(a *attacker) error {
		return errors.Join(
			a.absent(http.MethodGet, "/patients/"+foreignPatient+"/chart", "/patients/999999/chart"),
			a.absent(http.MethodGet, "/patients/"+foreignPatient+"/invoice", "/patients/999999/invoice"))
	}},
	{Threats: "W01, W05", Name: "admit another hospital's patient to one's own ward", Way: HTTP, run: func(a *attacker) error {
		return a.absent(http.MethodPost, "/admissions?ward=general&patient="+foreignPatient, "/admissions?ward=general&patient=999999")
	}},
}

// forged tries one of the forged tokens on everything that reads.
func forged(kind, name string) Attack {
	return Attack{Threats: "X04", Name: name, Way: HTTP, run: func(a *attacker) error {
		token := a.world.Forgeries[kind]
		if token == "" {
			return broken(errors.New("there is no forged token of the kind " + kind))
		}
		return a.refused(token, nil)
	}}
}

// asMyself asks with the attacker's own token: it must be answered, or nothing was tried.
func (a *attacker) asMyself(path string, change func(*http.Request)) error {
	status, body, err := a.request(http.MethodGet, path, a.world.Token, change)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return broken(errors.New("the attacker's own request was answered with another status than 200: " + body))
	}
	a.seen = "200, the attacker's own patients"
	return nil
}

// refused asks for patients without a right to; an answer other than 401 is what the judge looks at.
func (a *attacker) refused(token string, change func(*http.Request)) error {
	for _, path := range []string{"/patients", "/patients/1/chart", "/wards"} {
		if _, _, err := a.request(http.MethodGet, path, token, change); err != nil {
			return err
		}
	}
	return nil
}

// absent asks for a foreign and for an absent thing: the answers must be one and the same.
func (a *attacker) absent(method, foreign, absent string) error {
	fs, fb, err := a.request(method, foreign, a.world.Token, nil)
	if err != nil {
		return err
	}
	as, ab, err := a.request(method, absent, a.world.Token, nil)
	if err != nil {
		return err
	}
	a.wall = Statement
	a.seen = "404, the same answer as for a number that nobody has"
	if fs != as || fb != ab {
		a.seen = "two different answers"
		a.note("differs", strings.TrimSpace(fb))
	}
	return nil
}
