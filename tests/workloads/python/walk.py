# SPDX-License-Identifier: Apache-2.0
"""
Walks over MIB of memory in a span of the OpenTelemetry SDK, or in none: for measuring what a profiler
costs whose data has left the caches since its last sample. Usage: walk.py MIB span|none
"""

import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def walk(mib):
    memory, ones = bytearray(mib << 20), bytes([1]) * (mib << 20)
    while True:
        memory[:] = ones
        memory.count(0)


def main():
    trace.set_tracer_provider(TracerProvider())
    if sys.argv[2] == "none":
        walk(int(sys.argv[1]))
    with trace.get_tracer("walk").start_as_current_span("walk"):
        walk(int(sys.argv[1]))


if __name__ == "__main__":
    main()
