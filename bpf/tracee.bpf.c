/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one translation unit: a concern a file. */

#include "include/kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "syscalls.bpf.c"
#include "tasks.bpf.c"
#include "control.bpf.c"
#include "process.bpf.c"
#include "executions.bpf.c"
#include "modification.bpf.c"
#include "splice.bpf.c"
#include "files.bpf.c"
#include "links.bpf.c"
#include "attributes.bpf.c"
#include "mounts.bpf.c"
#include "sockets.bpf.c"
#include "duplicates.bpf.c"
#include "data.bpf.c"
#include "copies.bpf.c"
#include "io_uring_sockets.bpf.c"
#include "io_uring_data.bpf.c"
#include "io_uring.bpf.c"
#include "credentials.bpf.c"
#include "prctl.bpf.c"
#include "attachments.bpf.c"
#include "bpfs.bpf.c"
#include "cgroups.bpf.c"
#include "memory.bpf.c"
#include "origin.bpf.c"
#include "modules.bpf.c"
#include "network.bpf.c"
#include "flows.bpf.c"
#include "peek.bpf.c"
#include "judge.bpf.c"
#include "older.bpf.c"
#include "groups.bpf.c" /* calls what those before it define */

char LICENSE[] SEC("license") = "Dual BSD/GPL";
