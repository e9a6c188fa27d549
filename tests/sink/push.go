// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
)

// pusher is the service: it answers as the server does with its default settings.
type pusher struct {
	store *store
	limit *bucket
}

func refuse(code connect.Code, format string, args ...any) error {
	return connect.NewError(code, fmt.Errorf(format, args...))
}

func (p *pusher) Push(ctx context.Context, req *connect.Request[pushv1.PushRequest]) (
	*connect.Response[pushv1.PushResponse], error) {
	if len(req.Msg.Series) != 1 || len(req.Msg.Series[0].Samples) != 1 {
		// The server takes more, but not all or nothing: then a retry counts twice.
		return nil, refuse(connect.CodeInvalidArgument,
			"sink: expected one series with one profile in a request")
	}
	series := req.Msg.Series[0]
	raw := series.Samples[0].RawProfile
	if err := checkLabels(series.Labels); err != nil {
		return nil, err
	}
	p1, size, err := checkProfile(raw, series.Labels)
	if err != nil {
		return nil, err
	}
	for _, l := range series.Labels {
		size += len(l.Name) + len(l.Value)
	}
	if !p.limit.take(size) {
		return nil, refuse(connect.CodeResourceExhausted,
			"push rate limit (4.0 MiB) exceeded while adding %d bytes", size)
	}
	if err := p.store.keep(ctx, series, p1); err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return connect.NewResponse(&pushv1.PushResponse{}), nil
}

// bucket is the rate limit: what is larger than the burst never passes.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	last        time.Time
}

func newBucket(rate float64) *bucket {
	return &bucket{rate: rate, burst: rate / 2, tokens: rate / 2, last: time.Now()}
}

func (b *bucket) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if float64(n) > b.tokens {
		return false
	}
	b.tokens -= float64(n)
	return true
}

var errMalformed = errors.New("failed to parse profile")
