#!/bin/bash
# Fuzzes what reads packets and records: fuzz/run.sh TARGET [SECONDS]; with ONLY_BUILD=1 it builds the target only. Needs a
# compiler of C++, and one of Rust that may take the flags of a nightly one, which RUSTC_BOOTSTRAP lets every one do.
set -eu
cd "$(dirname "$0")"
target=${1:?packets, messages, dns or records}
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "corpus/$target"
python3 seeds.py seeds
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
-Ccodegen-units=1 --cfg fuzzing"
cargo build --quiet --release --target "$host" --bin "$target"
[ -z "${ONLY_BUILD:-}" ] || exit 0
seeds=(); [ -d "seeds/$target" ] && seeds=("seeds/$target")
exec "target/$host/release/$target" -max_total_time="${2:-60}" -rss_limit_mb=1024 -timeout=5 -max_len=16384 "corpus/$target" "${seeds[@]}"
