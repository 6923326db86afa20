/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What crosses from the kernel to user space: the record, and the memory both sides share.
 * Rust's view of the same bytes is crates/core/src/record.rs and crates/kernel/src/shared.rs; the sizes are asserted on
 * both sides, so a change here without one there does not build.
 */
#pragma once

#include "kernel.h"

#define MAX_EVENTS 1024
#define MAX_POLICIES 64

/* Same for every event of a task until it execs, renames itself or changes its credentials: user space formats it once.
 */
struct task_context {
	u64 start_time; /* ns since boot */
	u64 cgroup_id;  /* of the cgroup v2 hierarchy */
	u32 host_tid, host_pid, host_ppid;
	u32 tid, pid, ppid; /* as the task itself sees them; ppid 0: the parent is outside */
	u32 uid, mount_ns, pid_ns, pad;
	char comm[TASK_COMM_LEN];
};

enum record_flags {
	RECORD_COMPAT = 1, /* a 32-bit call */
	RECORD_TIME32 = 2, /* ... whose times are 32-bit too */
};

/*
 * A system call's arguments stand in args; what they point at follows as chunks, one for each argument that the
 * catalogue says to follow. Every other event has one chunk an argument and leaves ret and args alone.
 */
struct record {
	u64 time;     /* ns since boot, suspend included */
	u64 policies; /* that may still match */
	u16 event;    /* index in the catalogue, or one of enum control */
	u16 cpu;
	u32 flags;
	struct task_context task;
	s64 ret;
	u64 args[6];
};
_Static_assert(sizeof(struct task_context) == 72, "crates/core/src/record.rs");
_Static_assert(sizeof(struct record) == 152, "crates/core/src/record.rs");

/* A chunk is a u32, length in the low 24 bits and these in the high 8, then its bytes; no padding. */
enum chunk_flags {
	CHUNK_CUT = 1,      /* there was more */
	CHUNK_FAULT = 2,    /* the memory could not be read */
	CHUNK_NULL = 4,     /* no such thing: a null pointer, a closed descriptor */
	CHUNK_INODE = 8,    /* of a file without a path: struct inode_chunk */
	CHUNK_DELETED = 16, /* the path is no longer linked */
	CHUNK_ANON = 32,    /* an anonymous inode, such as [eventpoll] */
	CHUNK_ASKED = 64,   /* the path as it was asked for, made absolute: links, . and .. stand in it */
};

struct inode_chunk {
	u64 inode;
	u32 mode;
};

/* Records of the control ring: they keep user space's table of tasks, and are never printed. */
enum control {
	CONTROL_EXEC = 0xff00, /* chunk: path of the file that runs */
	CONTROL_FORK,          /* args[0], [1]: host tid and pid of the child */
	CONTROL_EXIT,
};

/* One event's losses on one CPU. The kernel writes all but reported, user space only that. */
struct loss {
	u64 count, reported;
	u64 first, last; /* times of the losses not yet reported */
};

struct cpu_counters {
	u64 sent;
	u64 lost;         /* of all events */
	u64 control_lost; /* records of the control ring */
	struct loss losses[MAX_EVENTS];
};

/* Scope: predicates on a task, by key. Bit n of a mask is policy n. */
enum number_key { KEY_PID, KEY_UID, KEY_MOUNT_NS, KEY_PID_NS, KEY_TREE, NUMBER_KEYS };
enum text_key { KEY_COMM, KEY_EXECUTABLE, TEXT_KEYS };
#define TEXT_MAX 240

struct number_scope {
	u64 used;     /* policies that test this key */
	u64 positive; /* ... by = or by a range: something has to match */
	u64 ranged;
	u64 min[MAX_POLICIES], max[MAX_POLICIES];
};

struct text_scope {
	u64 used, positive;
	u64 undecided; /* ... in a way that only user space can test */
};

struct verdict {
	u64 yes, no; /* policies that name this value with =, with != */
};

struct number_probe {
	u32 key, pad;
	u64 value;
};

struct text_probe {
	u32 prefix_bits; /* of the LPM tries; the hash begins after it */
	u32 key;
	char text[TEXT_MAX];
};

enum reader_state {
	READER_AWAKE,  /* draining: needs no wake-up */
	READER_NAP,    /* back within milliseconds: wake it when a ring fills */
	READER_ASLEEP, /* nothing has come for long: wake it for anything */
};

struct config {
	u64 policies;                /* those loaded */
	u64 generation;              /* grows when anything below changes */
	u64 scoped;                  /* policies with a predicate on the task */
	u64 follow;                  /* policies that go on to children */
	u64 wanted[MAX_EVENTS];      /* policies that select the event */
	u64 lesser[MAX_EVENTS / 64]; /* bit by event: it is not taken where it happens */
	u32 self;                    /* our own pid: never traced */
	u32 sampling;                /* an event stays when a random u32 is at most this */
	u32 reader_state;
	u32 wake_bytes; /* how full a ring wakes a napping reader */
	u32 exec_env;   /* sched_process_exec carries the environment */
	u32 rings;      /* rings in tracee_rings; CPU n uses n % rings */
	struct number_scope numbers[NUMBER_KEYS];
	struct text_scope texts[TEXT_KEYS];
};
