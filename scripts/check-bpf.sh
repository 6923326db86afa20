#!/usr/bin/env bash
# The kernel side compiles for every architecture, not only for the one it is built on, and for older kernels.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(ls -td target/release/build/tracee-kernel-*/out | head -1)
libbpf=$(ls -td target/release/build/libbpf-sys-*/out/include | head -1)
for arch in x86 arm64; do for older in 0 1; do
	"${CLANG:-clang}" -target bpf -mcpu=v3 -O2 -g -Wall -Werror "-D__TARGET_ARCH_$arch" "-DOLDER_KERNEL=$older" \
		-I "$out" -I "$libbpf" -I "/usr/include/$(uname -m)-linux-gnu" -I bpf \
		-c bpf/tracee.bpf.c -o /dev/null
done; done
