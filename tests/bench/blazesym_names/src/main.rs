// SPDX-License-Identifier: Apache-2.0
//! What name_addresses.c does, by blazesym: names the addresses on standard input, with inlined
//! functions and lines, each file's in one call, as often as the first argument says. Prints
//! addresses, those with a name, frames, by how many KiB resident memory had grown at its peak and
//! afterwards, and seconds of CPU time of each round; every name itself if there is a second argument.

use std::fs;
use std::io::{self, BufRead};

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolized, Symbolizer};

/// Nanoseconds that this process's threads have run: there is one.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").expect("schedstat");
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn status_kib(key: &str) -> i64 {
    let text = fs::read_to_string("/proc/self/status").expect("status");
    let line = text.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn read_files() -> Vec<(String, Vec<u64>)> {
    let mut files: Vec<(String, Vec<u64>)> = Vec::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.strip_prefix('@') {
            Some(path) => files.push((path.to_string(), Vec::new())),
            None => {
                let offset = u64::from_str_radix(&line, 16).expect("an offset");
                files.last_mut().expect("a path first").1.push(offset)
            }
        }
    }
    files
}

fn print_frame(name: &str, code: Option<&CodeInfo>) {
    let path = code.map_or("?".into(), |c| c.to_path().display().to_string());
    println!("\t{name}\t{path}\t{}", code.and_then(|c| c.line).unwrap_or(0));
}

/// Frames of one result; they are looked at, so that nothing is left undone.
fn frames_of(result: &Symbolized, print: bool) -> usize {
    let Symbolized::Sym(sym) = result else {
        return 0;
    };
    if print {
        println!("{:x}", sym.addr);
        for inlined in sym.inlined.iter().rev() {
            print_frame(&inlined.name, inlined.code_info.as_ref());
        }
        print_frame(&sym.name, sym.code_info.as_deref());
    }
    1 + sym.inlined.len()
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(1, |a| a.parse().expect("rounds"));
    let print = std::env::args().nth(2).is_some();
    let files = read_files();
    let before = status_kib("VmRSS:");
    let symbolizer = Symbolizer::builder()
        .enable_code_info(true)
        .enable_inlined_fns(true)
        .enable_auto_reload(false)
        .build();
    let (mut seconds, mut n, mut named, mut frames) = (Vec::new(), 0, 0, 0);

    for _ in 0..rounds {
        let start = cpu_seconds();
        (n, named, frames) = (0, 0, 0);
        for (path, offsets) in &files {
            n += offsets.len();
            let source = Source::Elf(Elf::new(path));
            match symbolizer.symbolize(&source, Input::FileOffset(offsets)) {
                Ok(results) => {
                    for count in results.iter().map(|r| frames_of(r, print)) {
                        named += usize::from(count > 0);
                        frames += count;
                    }
                }
                Err(e) => eprintln!("{path}: {e:#}"),
            }
        }
        seconds.push(cpu_seconds() - start);
    }
    let (peak, after) = (status_kib("VmHWM:"), status_kib("VmRSS:"));
    print!("{n} {named} {frames} {} {}", peak - before, after - before);
    seconds.iter().for_each(|s| print!(" {s:.6}"));
    println!();
}
