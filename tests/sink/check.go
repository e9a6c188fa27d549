// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
)

// The server's defaults.
const (
	maxProfile      = 4 << 20 // bytes, uncompressed
	maxSamples      = 16000
	maxSampleLabels = 100
	maxDepth        = 1000
	maxString       = 65535
	maxLabelName    = 1024
	maxLabelValue   = 2048
	maxLabels       = 30
	maxAge          = time.Hour
	maxAhead        = 10 * time.Minute
)

func checkLabels(labels []*typesv1.LabelPair) error {
	const code = connect.CodeInvalidArgument
	seen := map[string]string{}
	for _, l := range labels {
		if _, dup := seen[l.Name]; dup {
			return refuse(code, "duplicate label name: %s", l.Name)
		}
		seen[l.Name] = l.Value
		if len(l.Name) > maxLabelName || len(l.Value) > maxLabelValue {
			return refuse(code, "label name or value too long: %.80s", l.Name)
		}
		if !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value) {
			return refuse(code, "label is not valid UTF-8: %q", l.Name)
		}
	}
	if len(labels) > maxLabels {
		return refuse(code, "profile series has %d label names; limit %d", len(labels), maxLabels)
	}
	if seen["__name__"] == "" {
		return refuse(code, "invalid metric name")
	}
	// What follows the server takes; but it is not what it is meant to get from us.
	if seen["__name__"] != "process_cpu" || seen["__delta__"] != "false" || seen["service_name"] == "" {
		return refuse(code, "sink: expected __name__=process_cpu, __delta__=false and service_name")
	}
	return nil
}

func inflate(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxProfile+1))
}

// checkProfile returns the profile and its uncompressed size.
func checkProfile(raw []byte, labels []*typesv1.LabelPair) (*profile.Profile, int, error) {
	data, err := inflate(raw)
	if err != nil || len(data) == 0 {
		return nil, 0, refuse(connect.CodeUnknown, "%w: %v", errMalformed, err)
	}
	if len(data) > maxProfile {
		return nil, 0, refuse(connect.CodeInvalidArgument,
			"uncompressed profile payload size exceeds limit of 4.2 MB")
	}
	p, err := profile.ParseUncompressed(data)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		return nil, 0, refuse(connect.CodeUnknown, "%w: %v", errMalformed, err)
	}
	if err := checkLimits(p); err != nil {
		return nil, 0, err
	}
	return p, len(data), checkContent(p)
}

func checkLimits(p *profile.Profile) error {
	const code = connect.CodeInvalidArgument
	if len(p.Sample) > maxSamples {
		return refuse(code, "the profile has %d samples, limit %d", len(p.Sample), maxSamples)
	}
	for _, s := range p.Sample {
		if len(s.Label)+len(s.NumLabel) > maxSampleLabels {
			return refuse(code, "a sample has too many labels, limit %d", maxSampleLabels)
		}
	}
	for _, t := range p.SampleType {
		if strings.Contains(t.Type, "-") {
			return refuse(code, "invalid sample type %s", t.Type)
		}
	}
	for _, text := range allStrings(p) {
		if !utf8.ValidString(text) {
			return refuse(code, "invalid utf8 string: %q", text)
		}
	}
	age := time.Since(time.Unix(0, p.TimeNanos))
	if p.TimeNanos != 0 && (age > maxAge || age < -maxAhead) {
		return refuse(code, "profile with timestamp %s is outside of ingestion window",
			time.Unix(0, p.TimeNanos).UTC())
	}
	return nil
}

func allStrings(p *profile.Profile) []string {
	all := append([]string{}, p.Comments...)
	for _, f := range p.Function {
		all = append(all, f.Name, f.SystemName, f.Filename)
	}
	for _, m := range p.Mapping {
		all = append(all, m.File, m.BuildID)
	}
	for _, s := range p.Sample {
		for k, v := range s.Label {
			all = append(append(all, k), v...)
		}
	}
	return all
}

func isHex(s string, bytes int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == bytes
}

// checkContent refuses what the server would take and then spoil without a word.
func checkContent(p *profile.Profile) error {
	const code = connect.CodeInvalidArgument
	if len(p.SampleType) != 1 || *p.SampleType[0] != (profile.ValueType{Type: "cpu", Unit: "nanoseconds"}) ||
		p.PeriodType == nil || *p.PeriodType != *p.SampleType[0] || p.Period <= 0 {
		return refuse(code, "sink: not process_cpu:cpu:nanoseconds:cpu:nanoseconds")
	}
	for _, l := range p.Location {
		if len(l.Line) == 0 || l.Line[0].Function == nil || l.Line[0].Function.Name == "" {
			return refuse(code, "sink: location %d has no function and would vanish", l.ID)
		}
	}
	for _, text := range allStrings(p) {
		if len(text) > maxString {
			return refuse(code, "sink: a string of %d bytes would be cut", len(text))
		}
	}
	return checkSamples(p.Sample)
}

// String labels that split a series because somebody has asked for it.
var allowedLabels = map[string]bool{}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func checkSamples(samples []*profile.Sample) error {
	const code = connect.CodeInvalidArgument
	for _, s := range samples {
		if len(s.Location) > maxDepth {
			return refuse(code, "sink: a stack of %d frames would lose its leaf", len(s.Location))
		}
		for key, values := range s.Label {
			bytes, known := map[string]int{"span_id": 8, "trace_id": 16}[key]
			if !known && allowedLabels[key] {
				if !labelName.MatchString(key) {
					return refuse(code, "sink: %s is no name of a label", key)
				}
				continue
			}
			if !known {
				return refuse(code, "sink: string label %s would split the series", key)
			}
			if len(values) != 1 || !isHex(values[0], bytes) {
				return refuse(code, "sink: %s %q would be taken as none", key, values)
			}
		}
	}
	return nil
}
