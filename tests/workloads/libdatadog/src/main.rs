// SPDX-License-Identifier: Apache-2.0
//! Spends CPU time inside and outside of spans that libdatadog's own writers publish, and logs the
//! truth in the form of ../truth.h. Usage: libdatadog-writer SECONDS LOG

use std::fs::File;
use std::io::{BufWriter, Write};

use libdd_library_config::otel_process_ctx;
use libdd_library_config::tracer_metadata::{ThreadLocalMetadata, TracerMetadata};
use libdd_otel_thread_ctx::linux::OwnedThreadContext;

const THREADS: u64 = 3;
const SPAN_US: [u64; 4] = [50, 1_000, 20_000, 150_000];

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: ts is a timespec to write to.
    unsafe { libc::clock_gettime(clock, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

fn cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[inline(never)]
fn churn(us: u64) {
    let end = cpu_ns() + us * 1000;
    let mut x = us;
    while cpu_ns() < end {
        for _ in 0..200 {
            x = std::hint::black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
    }
}

fn trace_id(thread: u64, number: u64) -> [u8; 16] {
    (((thread + 1) as u128) << 64 | (number + 1) as u128).to_be_bytes()
}

fn span_id(thread: u64, number: u64) -> [u8; 8] {
    ((thread + 1) << 48 | (number + 1)).to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// One span and the log line that says what was true of it.
fn serve(thread: u64, number: u64, tid: i64) -> String {
    let (trace, span) = (trace_id(thread, number), span_id(thread, number));
    let outer_start = monotonic_ns();
    OwnedThreadContext::new(trace, span, 1, span, &[]).attach();
    let inner_start = monotonic_ns();
    let before = cpu_ns();
    churn(SPAN_US[((number + thread) % 4) as usize]);
    let spent = cpu_ns() - before;
    let inner_end = monotonic_ns();
    drop(OwnedThreadContext::detach());
    let outer_end = monotonic_ns();
    format!(
        "{{\"type\":\"span\",\"name\":\"serve\",\"tid\":{tid},\"span_id\":\"{}\",\"trace_id\":\"{}\",\
         \"parent_id\":\"0000000000000000\",\"outer_start\":{outer_start},\"inner_start\":{inner_start},\
         \"inner_end\":{inner_end},\"outer_end\":{outer_end},\"cpu_ns\":{spent},\"work\":{{}}}}",
        hex(&span),
        hex(&trace)
    )
}

fn work(thread: u64, until_ns: u64) -> Vec<String> {
    // SAFETY: takes no arguments.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    let start = monotonic_ns();
    let mut log = Vec::new();
    let mut number = 0;
    while monotonic_ns() < until_ns {
        log.push(serve(thread, number, tid));
        churn(200);
        number += 1;
    }
    log.push(format!(
        "{{\"type\":\"thread\",\"tid\":{tid},\"start\":{start},\"end\":{},\"cpu_ns\":{},\"work\":{{}}}}",
        monotonic_ns(),
        cpu_ns()
    ));
    log
}

fn publish() -> std::io::Result<()> {
    let metadata = TracerMetadata {
        service_name: Some("libdatadog-writer".into()),
        tracer_language: "rust".into(),
        threadlocal_metadata: Some(ThreadLocalMetadata::default()),
        ..Default::default()
    };
    otel_process_ctx::publish(&metadata.to_otel_process_ctx())
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let seconds: f64 = args[1].parse().expect("SECONDS");

    publish()?;
    churn(400_000); // a service has published its context for a while when its first request comes
    let until_ns = monotonic_ns() + (seconds * 1e9) as u64;
    let threads: Vec<_> = (0..THREADS)
        .map(|i| std::thread::spawn(move || work(i, until_ns)))
        .collect();

    let mut log = BufWriter::new(File::create(&args[2])?);
    for thread in threads {
        for line in thread.join().expect("thread") {
            writeln!(log, "{line}")?;
        }
    }
    writeln!(log, "{{\"type\":\"process\",\"pid\":{}}}", std::process::id())?;
    log.flush()
}
