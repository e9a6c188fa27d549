// SPDX-License-Identifier: Apache-2.0

// Random relabel rules on random labels, and what Prometheus makes of them: a JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// rule has only what is said; the program under test fills in the defaults itself.
type rule map[string]any

type testCase struct {
	Rules   []rule            `json:"rules"`
	Labels  map[string]string `json:"labels"`
	Invalid bool              `json:"invalid"` // Prometheus refuses the rules
	Why     string            `json:"why,omitempty"`
	Keep    bool              `json:"keep"`
	Result  map[string]string `json:"result"` // without those that begin with "__"
}

var actions = []relabel.Action{
	relabel.Replace, relabel.Keep, relabel.Drop, relabel.HashMod, relabel.LabelMap, relabel.LabelDrop,
	relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase, relabel.KeepEqual, relabel.DropEqual,
}

var names = []string{
	"a", "b", "ab", "abc", "service.name", "container.id", "__tmp", "__meta_a", "__meta_ab", "k8s.pod/x-y", "é",
}

var values = []string{
	"", "a", "b", "ab", "aab", "abc", "a;b", ";", "a.b", "nginx-1.25", "/usr/bin/a", "Ähre", "ÉTÉ", "ß", "日本", "12", "a b", "AbC", "x=1", "$1",
}

var templates = []string{
	"$1", "${1}", "$0", "x$1", "$1-$2", "${1}_${2}", "$2", "$9", "${n}", "$n", "$1x", "${1}x", "$$1", "$", "${", "${1", "a", "", "x.${1}.y", "$01", "${0}a", "b", "$12345678", "$-",
}

type source struct{ *rand.Rand }

func (r source) pick(list []string) string { return list[r.Intn(len(list))] }

// atom never matches the empty text: of repeated empty matches each engine has an idea of its own
// which group was the last.
func (r source) atom(depth int) string {
	if depth > 0 && r.Intn(3) == 0 {
		open := r.pick([]string{"(", "(?:", "(?P<n>", "(?i:", "("})
		return open + r.sequence(depth-1, false) + ")"
	}
	return r.pick([]string{
		"a", "b", "c", "\\.", ".", "[a-c]", "[^a]", "\\d", "\\w", "\\W", "\\S", "[[:alpha:]]", "é", "[ÄÉ]", ";", "/", "_", "\\x61", "\\pL", "[\\w.]", "-", "\\Qa.b\\E", "\\x{65e5}", "[]a]", "x{0", "{",
	})
}

func (r source) sequence(depth int, nullable bool) string {
	var s strings.Builder
	n := 1 + r.Intn(3)
	for i := 0; i < n; i++ {
		s.WriteString(r.atom(depth))
		if nullable || i > 0 {
			s.WriteString(r.pick([]string{"", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}"}))
		} else {
			s.WriteString(r.pick([]string{"", "", "+", "+?", "{2}", "{1,}"}))
		}
	}
	if r.Intn(4) == 0 {
		s.WriteString("|" + r.sequence(max(depth-1, 0), nullable))
	}
	return s.String()
}

var fixed = []string{
	"(.*)", "(.+)", "", ".*", "a", "a|ab", "(a|ab)(c|bcd)?", "(?i)ab(.*)", "__meta_(.+)", "(.*)\\.(.*)", "^a$", "$", "^", "(?s).*", "(?m)^a$", "\\Aa\\z", "\\bab\\b", "(a)|(b)", "(?P<n>a*)(b*)", "(?U)(a+)(.*)", "((a))((b))?", "[^/]+/(.*)", "(?:a|b)+", "service.name", "service\\.(.*)",
	// wrong
	"(", "a**", "*a", "(?=a)", "(a)\\1", "a++", "(?<!a)b", "[z-a]", "a{1001}", "\\", "\\k<n>", "(?>a)", "\\Z", "(?#x)a", "[", "a)", "\\G", "\\e", "(*UTF)a", "a{2}{3}", "(?x)a",
}

func (r source) regex() string {
	if r.Intn(2) == 0 {
		return r.pick(fixed)
	}
	return r.sequence(2, true)
}

// rule makes one that mostly fits its action, with the fields that are not at their defaults.
func (r source) rule() (rule, *relabel.Config, error) {
	cfg := relabel.DefaultRelabelConfig
	cfg.Action = actions[r.Intn(len(actions))]
	out := rule{"action": string(cfg.Action)}
	odd := r.Intn(12) == 0
	lists := cfg.Action == relabel.LabelDrop || cfg.Action == relabel.LabelKeep
	equal := cfg.Action == relabel.KeepEqual || cfg.Action == relabel.DropEqual
	letters := cfg.Action == relabel.Lowercase || cfg.Action == relabel.Uppercase

	if odd || !lists {
		for i := r.Intn(4); i > 0; i-- {
			cfg.SourceLabels = append(cfg.SourceLabels, model.LabelName(r.pick(names)))
		}
		if cfg.SourceLabels != nil {
			out["source_labels"] = cfg.SourceLabels
		}
		if r.Intn(12) > 0 {
			cfg.TargetLabel = r.pick(names)
			if cfg.Action == relabel.Replace && r.Intn(3) == 0 {
				cfg.TargetLabel = r.pick(templates)
			}
			if cfg.TargetLabel != "" {
				out["target_label"] = cfg.TargetLabel
			}
		}
	}
	if (odd || !lists && !equal) && r.Intn(4) == 0 {
		cfg.Separator = r.pick([]string{"", ",", "--", "é", "@"})
		out["separator"] = cfg.Separator
	}
	if (odd || !equal) && r.Intn(5) > 0 {
		text := r.regex()
		re, err := relabel.NewRegexp(text)
		out["regex"] = text
		if err != nil {
			return out, nil, err
		}
		cfg.Regex = re
	}
	if (odd || !lists && !equal && !letters) && r.Intn(3) > 0 {
		cfg.Replacement = r.pick(templates)
		if cfg.Replacement != relabel.DefaultRelabelConfig.Replacement {
			out["replacement"] = cfg.Replacement
		}
	}
	if odd || cfg.Action == relabel.HashMod {
		cfg.Modulus = uint64(min(r.Intn(4), 1)) * uint64(r.Int63())
		if cfg.Modulus != 0 {
			out["modulus"] = cfg.Modulus
		}
	}
	return out, &cfg, cfg.Validate(model.UTF8Validation)
}

func visible(l labels.Labels) map[string]string {
	out := map[string]string{}
	l.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, "__") && l.Name != "" {
			out[l.Name] = l.Value
		}
	})
	return out
}

func (r source) testCase() testCase {
	c := testCase{Labels: map[string]string{}}
	var configs []*relabel.Config
	for i := 1 + r.Intn(3); i > 0; i-- {
		out, cfg, err := r.rule()
		c.Rules = append(c.Rules, out)
		configs = append(configs, cfg)
		if err != nil {
			c.Invalid, c.Why = true, err.Error()
			return c
		}
	}
	for i := r.Intn(7); i > 0; i-- {
		c.Labels[r.pick(names)] = r.pick(values)
	}
	b := labels.NewBuilder(labels.FromMap(c.Labels))
	c.Keep = true
	for i := 0; i < len(configs) && c.Keep; i++ {
		c.Keep = relabel.ProcessBuilder(b, configs[i])
		// A labelmap can do that here, and not with us: there is no such label.
		if b.Get("") != "" {
			return r.testCase()
		}
	}
	if c.Keep {
		c.Result = visible(b.Labels())
	}
	return c
}

func main() {
	seed := flag.Int64("seed", 1, "of the random numbers")
	n := flag.Int("n", 1000, "how many cases")
	flag.Parse()

	r := source{rand.New(rand.NewSource(*seed))}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for i := 0; i < *n; i++ {
		if err := encoder.Encode(r.testCase()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
