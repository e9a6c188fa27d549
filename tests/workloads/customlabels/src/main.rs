// SPDX-License-Identifier: Apache-2.0
//! Spends CPU time inside and outside of spans that are custom labels of Polar Signals' crate, and
//! logs the truth in the form of ../truth.h. Usage: customlabels-writer SECONDS LOG

use std::fs::File;
use std::io::{BufWriter, Write};

use custom_labels::{with_label, Labelset};

const THREADS: u64 = 3;
const SPAN_US: [u64; 4] = [20, 1_000, 20_000, 200_000];

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

/// Functions that burn from different seeds are not merged into one.
#[inline(always)]
fn burn(us: u64, seed: u64) {
    let end = cpu_ns() + us * 1000;
    let mut x = seed;
    while cpu_ns() < end {
        for _ in 0..200 {
            x = std::hint::black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
    }
}

#[inline(never)]
fn read_request(us: u64) {
    burn(us, 1);
}

#[inline(never)]
fn answer_request(us: u64) {
    burn(us, 2);
}

/// Labels come and go in the set that is in force, which the writer changes in place.
fn churn(us: u64) {
    let part = (us / 100).max(5);
    let end = cpu_ns() + us * 1000;
    while cpu_ns() < end {
        with_label("request.phase", "read", || read_request(part));
        with_label("request.phase", "answer", || answer_request(part));
    }
}

fn trace_id(thread: u64, number: u64) -> String {
    format!("{:016x}{:016x}", thread + 1, number + 1)
}

fn span_id(thread: u64, number: u64) -> String {
    format!("{:016x}", (thread + 1) << 48 | (number + 1))
}

/// One span and the log line that says what was true of it.
fn serve(thread: u64, number: u64, tid: i64) -> String {
    let (trace, span) = (trace_id(thread, number), span_id(thread, number));
    let us = SPAN_US[((number + thread) % 4) as usize];
    let name = format!("serve {us} us");
    let mut labels = Labelset::new();
    labels.extend([("request.trace", &trace), ("request.span", &span), ("request.name", &name)]);
    let outer_start = monotonic_ns();
    let (inner_start, spent, inner_end) = labels.enter(|| {
        let (start, before) = (monotonic_ns(), cpu_ns());
        churn(us);
        (start, cpu_ns() - before, monotonic_ns())
    });
    let outer_end = monotonic_ns();
    format!(
        "{{\"type\":\"span\",\"name\":\"{name}\",\"tid\":{tid},\"span_id\":\"{span}\",\"trace_id\":\"{trace}\",\
         \"parent_id\":\"0000000000000000\",\"outer_start\":{outer_start},\"inner_start\":{inner_start},\
         \"inner_end\":{inner_end},\"outer_end\":{outer_end},\"cpu_ns\":{spent},\"work\":{{}}}}"
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
        burn(200, 3);
        number += 1;
    }
    log.push(format!(
        "{{\"type\":\"thread\",\"tid\":{tid},\"start\":{start},\"end\":{},\"cpu_ns\":{},\"work\":{{}}}}",
        monotonic_ns(),
        cpu_ns()
    ));
    log
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let seconds: f64 = args[1].parse().expect("SECONDS");

    burn(400_000, 3); // a service has run for a while when its first request comes
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
