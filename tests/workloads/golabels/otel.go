// SPDX-License-Identifier: Apache-2.0

//go:build !plain
// +build !plain

package main

import (
	"context"

	otelpyroscope "github.com/grafana/otel-profiling-go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var tracer = otelpyroscope.NewTracerProvider(sdktrace.NewTracerProvider()).Tracer("golabels")

// serve calls fn in a span of its own, whose ids become those of e.
func serve(name string, e *entry, fn func()) {
	_, span := tracer.Start(context.Background(), name)
	e.SpanID = span.SpanContext().SpanID().String()
	e.TraceID = span.SpanContext().TraceID().String()
	fn()
	span.End()
}
