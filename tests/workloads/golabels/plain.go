// SPDX-License-Identifier: Apache-2.0

//go:build plain
// +build plain

package main

import (
	"context"
	"fmt"
	"math/rand"
	"runtime/pprof"
)

// serve calls fn with labels, between others as applications set them.
func serve(name string, e *entry, fn func()) {
	e.SpanID = fmt.Sprintf("%016x", rand.Uint64())
	e.TraceID = fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	labels := pprof.Labels("handler", name, "span_id", e.SpanID, "span_name", name, "trace_id", e.TraceID,
		"zone", "z")
	pprof.Do(context.Background(), labels, func(context.Context) { fn() })
}
