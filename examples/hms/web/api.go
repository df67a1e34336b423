package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/septum-go/septum/tenant/tenanthttp"
)

// API serves a hospital's own data to its users. No handler asks which hospital it is: the context knows.
func API(auth *tenanthttp.Auth, db *rls.DB) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h tenanthttp.HandlerFunc) { mux.Handle(pattern, tenanthttp.Handler(auth, h)) }

	handle("GET /patients", func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		name, err := text("name", r.URL.Query().Get("name"))
		if err != nil {
			return err
		}
		patients, err := hospital.Search(tc, db, name)
		return answer(w, http.StatusOK, patients, err)
	})
	handle("GET /patients/{id}", withPatient(db, func(tc tenant.Context, w http.ResponseWriter, p hospital.Patient) error {
		return answer(w, http.StatusOK, p, nil)
	}))
	handle("GET /patients/{id}/chart", withPatient(db, func(tc tenant.Context, w http.ResponseWriter, p hospital.Patient) error {
		entries, err := hospital.Chart(tc, db, p.ID)
		return answer(w, http.StatusOK, entries, err)
	}))
	handle("GET /patients/{id}/invoice", withPatient(db, func(tc tenant.Context, w http.ResponseWriter, p hospital.Patient) error {
		lines, totals, err := hospital.Invoice(tc, db, p.ID)
		return answer(w, http.StatusOK, map[string]any{"patient": p, "lines": lines, "totals": totals}, err)
	}))
	handle("GET /wards", func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		wards, err := hospital.Wards(tc, db)
		return answer(w, http.StatusOK, wards, err)
	})
	handle("GET /wards/{ward}", func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		ward, err := text("ward", r.PathValue("ward"))
		if err != nil {
			return err
		}
		beds, err := hospital.Ward(tc, db, ward)
		return answer(w, http.StatusOK, beds, err)
	})
	handle("POST /admissions", func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		patient, err := strconv.ParseInt(r.URL.Query().Get("patient"), 10, 64)
		if err != nil {
			return tenanthttp.Fail(http.StatusBadRequest, "patient is not a number", err)
		}
		ward, err := text("ward", r.URL.Query().Get("ward"))
		if err != nil {
			return err
		}
		if ward == "" {
			return tenanthttp.Fail(http.StatusBadRequest, "ward is missing", nil)
		}
		reason, err := text("reason", r.URL.Query().Get("reason"))
		if err != nil {
			return err
		}
		stay, err := hospital.Admit(tc, db, hospital.Admission{Patient: patient, Ward: ward, Reason: reason,
			At: time.Now(), DayPrice: "420.00", Currency: "EUR"})
		return answer(w, http.StatusCreated, stay, err)
	})
	return mux
}

// withPatient finds the patient of the path first; one of another hospital is not found.
func withPatient(db *rls.DB, h func(tenant.Context, http.ResponseWriter, hospital.Patient) error) tenanthttp.HandlerFunc {
	return func(tc tenant.Context, w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return tenanthttp.Fail(http.StatusBadRequest, "the patient's id is not a number", err)
		}
		p, err := hospital.Find(tc, db, id)
		if err != nil {
			return err
		}
		return h(tc, w, p)
	}
}

// text checks what a person typed: PostgreSQL stores neither NUL nor broken UTF-8.
func text(name, value string) (string, error) {
	if len(value) > maxText || strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
		return "", tenanthttp.Fail(http.StatusBadRequest, name+" is not a text of at most 200 bytes", nil)
	}
	return value, nil
}

const maxText = 200

func answer(w http.ResponseWriter, status int, body any, err error) error {
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(append(text, '\n'))
	return err
}
