package tenantjwt

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// object is a JSON object in which no name stands twice, at any depth. Numbers are json.Number.
type object map[string]any

const maxDepth = 16

func (o object) has(name string) bool { _, ok := o[name]; return ok }

// unambiguous refuses a name that differs from one that matters in letter case alone: another reader may take it for it.
func (o object) unambiguous(names ...string) error {
	for given := range o {
		for _, name := range names {
			if given != name && strings.EqualFold(given, name) {
				return refuse(ReasonMalformed, "it names "+name+" in another letter case")
			}
		}
	}
	return nil
}

// parseObject reads one JSON object. encoding/json lets the last of two equal names win and other readers the first,
// so a token with both would be of two tenants.
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, refuse(ReasonMalformed, "it is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := parseValue(decoder, maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := value.(object)
	if !ok {
		return nil, refuse(ReasonMalformed, "it is not a JSON object")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, refuse(ReasonMalformed, "something follows the JSON object")
	}
	return o, nil
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, refuse(ReasonMalformed, "it is not JSON")
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == 0 {
		return nil, refuse(ReasonMalformed, "its JSON is nested too deep")
	}
	if delim == '[' {
		return parseArray(decoder, depth)
	}
	o := object{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, refuse(ReasonMalformed, "it is not JSON")
		}
		text, _ := name.(string)
		if o.has(text) {
			return nil, refuse(ReasonMalformed, "a name stands twice in one JSON object")
		}
		if o[text], err = parseValue(decoder, depth-1); err != nil {
			return nil, err
		}
	}
	return o, closing(decoder)
}

func parseArray(decoder *json.Decoder, depth int) (any, error) {
	list := []any{}
	for decoder.More() {
		value, err := parseValue(decoder, depth-1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, closing(decoder)
}

func closing(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return refuse(ReasonMalformed, "it is not JSON")
	}
	return nil
}
