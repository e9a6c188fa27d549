# SPDX-License-Identifier: Apache-2.0
"""
Spends CPU time inside and outside of spans of Datadog's tracer for Python, and logs the truth in the
form of ../truth.h. Usage: writer.py SECONDS LOG
"""

import json
import os
import sys
import threading
import time

from ddtrace.trace import tracer

THREADS = 3
SPAN_US = (50, 1000, 20000, 150000)
WARM_UP_US = 400_000  # a service has published its context for a while when its requests come


def churn(us):
    end = time.thread_time_ns() + us * 1000
    x = us
    while time.thread_time_ns() < end:
        for _ in range(20):
            x = (x * 6364136223846793005 + 1) & 0xFFFFFFFFFFFFFFFF
    return x


def serve(us):
    outer_start = time.monotonic_ns()
    span = tracer.trace("serve")
    inner_start, before = time.monotonic_ns(), time.thread_time_ns()
    churn(us)
    spent, inner_end = time.thread_time_ns() - before, time.monotonic_ns()
    span.finish()
    return {
        "type": "span", "name": "serve", "tid": threading.get_native_id(),
        "span_id": f"{span.span_id:016x}", "trace_id": f"{span.trace_id:032x}",
        "parent_id": "0" * 16, "outer_start": outer_start,
        "inner_start": inner_start, "inner_end": inner_end, "outer_end": time.monotonic_ns(),
        "cpu_ns": spent, "work": {},
    }  # fmt: skip


def work(first, until, log):
    tid, start = threading.get_native_id(), time.monotonic_ns()
    number = first
    while time.monotonic() < until:
        log.append(serve(SPAN_US[number % len(SPAN_US)]))
        churn(200)
        number += 1
    log.append({"type": "thread", "tid": tid, "start": start, "end": time.monotonic_ns(),
                "cpu_ns": time.thread_time_ns(), "work": {}})  # fmt: skip


def main():
    seconds, path = float(sys.argv[1]), sys.argv[2]
    tracer.trace("first").finish()  # publishes
    churn(WARM_UP_US)
    until, log = time.monotonic() + seconds, []
    threads = [threading.Thread(target=work, args=(i, until, log)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.append({"type": "process", "pid": os.getpid()})
    with open(path, "w", encoding="ascii") as f:
        f.writelines(json.dumps(entry) + "\n" for entry in log)


if __name__ == "__main__":
    main()
