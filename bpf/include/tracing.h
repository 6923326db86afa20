/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's structures of tracing, as far as we read them: see kernel.h. */
#pragma once

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tracepoint {
	const char *name;
};
struct trace_event_class {
	const char *system;
};
struct trace_event_call {
	struct trace_event_class *class;
	union {
		const char *name; /* of a system call's, and of probes */
		struct tracepoint *tp;
	};
};
struct perf_event {
	struct trace_event_call *tp_event;
	struct bpf_prog *prog;
};
struct trace_probe_event {
	struct trace_event_class class;
	struct trace_event_call call;
	struct list_head probes;
};
struct dyn_event {
	struct list_head list;
};
struct trace_probe {
	struct list_head list;
};
struct kretprobe {
	struct kprobe kp;
	void *handler;
};
struct trace_kprobe {
	struct dyn_event devent;
	struct kretprobe rp;
	const char *symbol;
	struct trace_probe tp;
};
struct uprobe_consumer {
	void *ret_handler;
};
struct trace_uprobe {
	struct uprobe_consumer consumer;
	const char *filename;
	unsigned long offset;
	struct trace_probe tp;
};
struct bpf_raw_event_map {
	struct tracepoint *tp;
};
struct bpf_link {
	enum bpf_link_type type;
	struct bpf_prog *prog;
};
struct bpf_raw_tp_link {
	struct bpf_link link;
	struct bpf_raw_event_map *btp;
	u64 cookie; /* 6.10 and later */
};
struct bpf_perf_link {
	struct bpf_link link;
	struct file *perf_file;
};

#pragma clang attribute pop
