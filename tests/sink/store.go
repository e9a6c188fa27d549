// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/pprof/profile"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
)

// store keeps requests and what was received, in a folder.
type store struct {
	dir string // empty: keeps nothing
	mu  sync.Mutex
	n   int
}

func newStore(dir string) (*store, error) {
	if dir == "" {
		return &store{}, nil
	}
	return &store{dir: dir}, os.MkdirAll(dir, 0o755)
}

type requestKey struct{}

// request is what N.request.json holds.
type request struct {
	Number        int    `json:"-"`
	Path          string `json:"path"`
	ContentType   string `json:"content_type"`
	UserAgent     string `json:"user_agent"`
	Authorization string `json:"authorization"`
	BodyBytes     int64  `json:"body_bytes"`
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter {
	return w.ResponseWriter
}

// logged numbers requests and writes down how each was answered; 0: not at all.
func (s *store) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.n++
		req := &request{s.n, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("User-Agent"),
			r.Header.Get("Authorization"), r.ContentLength}
		s.mu.Unlock()
		sw := &statusWriter{ResponseWriter: w}
		s.log(fmt.Sprintf("%d received\n", req.Number))
		next.ServeHTTP(sw, r.WithContext(context.WithValue(r.Context(), requestKey{}, req)))
		if sw.status == 0 && r.Context().Err() == nil {
			sw.status = http.StatusOK // which nobody has to say
		}
		s.log(fmt.Sprintf("%d %d\n", req.Number, sw.status))
	})
}

func (s *store) log(line string) {
	if s.dir == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(s.dir, "requests.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(line)
}

// keep stores one series. Files appear whole, the profile last.
func (s *store) keep(ctx context.Context, series *pushv1.RawProfileSeries, p *profile.Profile) error {
	if s.dir == "" {
		return nil
	}
	req := ctx.Value(requestKey{}).(*request)
	labels := map[string]string{}
	for _, l := range series.Labels {
		labels[l.Name] = l.Value
	}
	for name, content := range map[string]any{
		"labels": labels, "spans": spanSums(p), "request": req,
	} {
		data, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return err
		}
		if err := s.write(fmt.Sprintf("%d.%s.json", req.Number, name), data); err != nil {
			return err
		}
	}
	return s.write(fmt.Sprintf("%d.pb.gz", req.Number), series.Samples[0].RawProfile)
}

func (s *store) write(name string, data []byte) error {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func spanSums(p *profile.Profile) map[string]int64 {
	sums := map[string]int64{}
	for _, s := range p.Sample {
		span := ""
		if ids := s.Label["span_id"]; len(ids) > 0 {
			span = ids[0]
		}
		sums[span] += s.Value[0]
	}
	return sums
}
