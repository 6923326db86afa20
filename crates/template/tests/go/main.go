// Says what Go makes of each template in ../cases.json, with the functions of sprig: go run . > ../expected.json
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// numbers of JSON are whole where they can be, as those of events are
func whole(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for key, item := range v {
			v[key] = whole(item)
		}
	case []any:
		for i, item := range v {
			v[i] = whole(item)
		}
	}
	return value
}

func run(text string, dot any) any {
	parsed, err := template.New("main").Funcs(sprig.TxtFuncMap()).Parse(text)
	if err != nil {
		return nil
	}
	var out strings.Builder
	if parsed.Execute(&out, dot) != nil {
		return nil
	}
	return out.String()
}

func main() {
	file, err := os.Open("../cases.json")
	if err != nil {
		panic(err)
	}
	var cases struct {
		Dot       any
		Templates []string
	}
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	if err := decoder.Decode(&cases); err != nil {
		panic(err)
	}
	dot := whole(cases.Dot)
	expected := []any{}
	for _, text := range cases.Templates {
		expected = append(expected, run(text, dot))
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(expected); err != nil {
		panic(err)
	}
}
