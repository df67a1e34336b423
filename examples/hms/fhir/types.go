package fhir

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The data types of FHIR, as far as the hospital's tables need them.
type (
	coding struct {
		Code    string `json:"code"`
		Display string `json:"display"`
	}
	concept struct {
		Coding []coding `json:"coding"`
		Text   string   `json:"text"`
	}
	reference struct {
		Reference string `json:"reference"`
		Display   string `json:"display"`
	}
	period struct {
		Start moment `json:"start"`
		End   moment `json:"end"`
	}
	quantity struct {
		Value decimal `json:"value"`
		Unit  string  `json:"unit"`
		Code  string  `json:"code"`
	}
	money struct {
		Value    decimal `json:"value"`
		Currency string  `json:"currency"`
	}
	humanName struct {
		Use    string   `json:"use"`
		Text   string   `json:"text"`
		Family string   `json:"family"`
		Given  []string `json:"given"`
		Prefix []string `json:"prefix"`
	}
	contactPoint struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
)

// code is the first code of a concept; its text when nothing was coded.
func (c concept) code() string {
	for _, k := range c.Coding {
		if k.Code != "" {
			return k.Code
		}
	}
	return c.Text
}

func (c concept) title() string {
	if c.Text != "" {
		return c.Text
	}
	for _, k := range c.Coding {
		if k.Display != "" {
			return k.Display
		}
	}
	return ""
}

// label is the title, or the code where there is none.
func (c concept) label() string {
	if t := c.title(); t != "" {
		return t
	}
	return c.code()
}

func (n humanName) full() string {
	if n.Text != "" {
		return n.Text
	}
	parts := append(append([]string{}, n.Prefix...), n.Given...)
	return strings.TrimSpace(strings.Join(append(parts, n.Family), " "))
}

// best is the official or usual name, else the first one.
func best(names []humanName) string {
	for _, use := range []string{"official", "usual"} {
		for _, n := range names {
			if n.Use == use {
				return n.full()
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0].full()
}

// moment is a date, dateTime or instant. One that names only a year, month or day is the begin of it, in UTC.
type moment struct{ t *time.Time }

var layouts = map[int]string{4: "2006", 7: "2006-01", 10: "2006-01-02"}

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(body []byte) error {
	var text *string
	if err := json.Unmarshal(body, &text); err != nil {
		return err
	}
	if text == nil {
		return nil
	}
	layout, ok := layouts[len(*text)]
	if !ok {
		layout = time.RFC3339Nano
	}
	t, err := time.Parse(layout, *text)
	if err != nil {
		return fmt.Errorf("%s is not a FHIR date or time", body)
	}
	if t.Year() < 1 {
		return fmt.Errorf("%s is before the year 1", body)
	}
	m.t = &t
	return nil
}

// partialDate is a date as exact as it was written.
type partialDate string

// UnmarshalJSON implements json.Unmarshaler.
func (d *partialDate) UnmarshalJSON(body []byte) error {
	var text *string
	if err := json.Unmarshal(body, &text); err != nil || text == nil {
		return err
	}
	layout, ok := layouts[len(*text)]
	if _, err := time.Parse(layout, *text); !ok || err != nil {
		return fmt.Errorf("%s is not a FHIR date", body)
	}
	*d = partialDate(*text)
	return nil
}

// decimal keeps the digits as they were written: 1.50 is more exact than 1.5. It is empty when there is no value.
type decimal string

// UnmarshalJSON implements json.Unmarshaler.
func (d *decimal) UnmarshalJSON(body []byte) error {
	var n json.Number
	if string(body) == "null" {
		return nil
	}
	if body[0] == '"' {
		return fmt.Errorf("%s is a text, not a number", body)
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return err
	}
	*d = decimal(n)
	return nil
}

func (d decimal) orNull() any {
	if d == "" {
		return nil
	}
	return string(d)
}
