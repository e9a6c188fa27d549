// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
)

const slowness = 2 * time.Second

// answers are the ways to misbehave. Each but slow answers, or does not, in the place of the API.
var answers = map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
	"400": status(connect.CodeInvalidArgument, "profile with timestamp 1970 is outside of ingestion window"),
	"401": status(connect.CodeUnauthenticated, "no org id"),
	"403": status(connect.CodePermissionDenied, "not allowed"),
	"429": status(connect.CodeResourceExhausted, "push rate limit (4.0 MiB) exceeded while adding 3.2 MB"),
	"500": status(connect.CodeUnknown, "failed to parse profile: unexpected EOF"),
	"503": status(connect.CodeUnavailable, "distributor is not ready"),
	// Never answers.
	"hang": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		<-r.Context().Done()
	},
	// Answers well, late.
	"slow": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		time.Sleep(slowness)
		next.ServeHTTP(w, r)
	},
	// Reads the request, then hangs up.
	"close": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		panic(http.ErrAbortHandler)
	},
	// Some other web server, which is content with anything.
	"html": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		io.WriteString(w, "<!DOCTYPE html><title>It works!</title>")
	},
	"redirect": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		http.Redirect(w, r, "http://other.invalid/", http.StatusFound)
	},
	// A failure whose text has no end and tries to drive the terminal.
	"flood": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		w.WriteHeader(http.StatusBadRequest)
		for {
			if _, err := io.WriteString(w, "\x1b[31mred\x07 \u009b2J"); err != nil {
				return
			}
		}
	},
}

func answerNames() string {
	names := []string{}
	for name := range answers {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, "|")
}

func drain(r *http.Request) {
	io.Copy(io.Discard, r.Body)
}

func status(code connect.Code, message string) func(http.ResponseWriter, *http.Request, http.Handler) {
	errors := connect.NewErrorWriter()
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		drain(r)
		errors.Write(w, r, connect.NewError(code, fmt.Errorf("%s", message)))
	}
}

// misbehaviour is done to the first requests, or to all.
type misbehaviour struct {
	answer func(http.ResponseWriter, *http.Request, http.Handler)
	left   atomic.Int64
}

func newMisbehaviour(name string, times int) (*misbehaviour, error) {
	m := &misbehaviour{answer: answers[name]}
	if name != "" && m.answer == nil {
		return nil, fmt.Errorf("-answer %s is unknown: want %s", name, answerNames())
	}
	m.left.Store(int64(times))
	if times < 0 {
		m.left.Store(1 << 62)
	}
	return m, nil
}

func (m *misbehaviour) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.answer == nil || m.left.Add(-1) < 0 {
			next.ServeHTTP(w, r)
			return
		}
		m.answer(w, r, next)
	})
}
