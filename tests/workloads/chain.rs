// SPDX-License-Identifier: Apache-2.0
//! The chain of chain.c in Rust: main → outer → middle → leaf.
//!
//!     chain-rust long|panic [--cpu-seconds S]
//!
//! panic: leaf panics at its end, and main catches it.

use std::ffi::c_long;
use std::hint::black_box;

const STEPS: u64 = 400_000;

unsafe extern "C" {
    fn clock() -> c_long; // CPU time in µs
}

#[inline(never)]
fn leaf(x: u64, panics: bool) -> u64 {
    let mut x = black_box(x);
    for _ in 0..(if panics { STEPS / 20 } else { STEPS }) {
        x = black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
    }
    if panics {
        std::panic::resume_unwind(Box::new(x));
    }
    x
}

#[inline(never)]
fn middle(x: u64, panics: bool) -> u64 {
    let kept = vec![x; 3];
    let found = leaf(x, panics);
    black_box(&kept);
    found ^ kept[1]
}

#[inline(never)]
fn outer(x: u64, panics: bool) -> u64 {
    let room = black_box([x; 20]);
    middle(x, panics).wrapping_add(room[3])
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let panics = args.get(1).is_some_and(|a| a == "panic");
    let seconds: f64 = args.get(3).and_then(|a| a.parse().ok()).unwrap_or(3.0);

    while unsafe { clock() } as f64 / 1e6 < seconds {
        if panics {
            let _ = std::panic::catch_unwind(|| black_box(outer(1, true)));
        } else {
            black_box(outer(1, false));
        }
    }
}
