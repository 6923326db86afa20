/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one translation unit: a concern a file. */

#include "include/kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "syscalls.bpf.c"
#include "process.bpf.c"
#include "groups.bpf.c"
#include "files.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
