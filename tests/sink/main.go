// SPDX-License-Identifier: Apache-2.0

// Sink receives what is pushed to Pyroscope's Push API, through the official messages and Connect
// handler, checks it against the server's limits and keeps it, so that a test can compare what came
// with what was sent. It can also misbehave in the ways of servers and networks.
//
// For request number N it writes to the folder: N.labels.json (the series' labels), N.pb.gz (the
// profile as it came), N.spans.json (sums of the first sample type per span id, "" for none, as the
// pprof library reads them) and N.request.json; requests.log gets a line "N STATUS" for every
// request, kept or not.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("sink: ")
	listen := flag.String("listen", "127.0.0.1:0", "address; port 0: any")
	dir := flag.String("dir", "", "folder for what is received; empty: nothing is kept")
	answer := flag.String("answer", "",
		"misbehave: "+answerNames()+"; empty: behave")
	times := flag.Int("answer-times", -1, "how many requests get -answer; -1: all")
	prefix := flag.String("prefix", "", "path before the API's own, such as /pyroscope")
	rate := flag.Float64("rate", 4<<20, "ingestion limit in bytes/s; its burst is half of it")
	delay := flag.Duration("delay", 0, "from a request that is kept to its answer")
	labels := flag.String("labels", "", "string labels of samples that are taken, separated by commas")
	flag.Parse()
	for _, label := range strings.Split(*labels, ",") {
		allowedLabels[label] = true
	}

	misbehave, err := newMisbehaviour(*answer, *times)
	if err != nil {
		log.Fatal(err)
	}
	store, err := newStore(*dir)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	// For tests that start the sink: one line, once connections are taken.
	fmt.Println(l.Addr())
	os.Stdout.Close()

	_, push := pushv1connect.NewPusherServiceHandler(&pusher{store: store, limit: newBucket(*rate)})
	handler := http.StripPrefix(*prefix, push)
	log.Fatal(http.Serve(l, store.logged(delayed(*delay, misbehave.before(handler)))))
}

// delayed answers late; a request whose client does not wait is kept all the same.
func delayed(by time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		time.Sleep(by)
	})
}
