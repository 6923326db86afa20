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
	u64 cgroup_id;  /* in the hierarchy that containers are told by: containers.h */
	u32 host_tid, host_pid, host_ppid;
	u32 tid, pid, ppid; /* as the task itself sees them; ppid 0: the parent is outside */
	u32 uid, mount_ns, pid_ns, pad;
	char comm[TASK_COMM_LEN];
};

enum record_flags {
	RECORD_COMPAT = 1, /* a 32-bit call */
	RECORD_TIME32 = 2, /* ... whose times are 32-bit too */
	RECORD_BANK = 4,   /* which of the two plans its slots are of */
	RECORD_OPEN = 8,   /* texts of scopes were not tested */
};

/*
 * A system call's arguments stand in args; what they point at follows as chunks, one for each argument that the
 * catalogue says to follow. Every other event has one chunk an argument and leaves ret and args alone.
 */
struct record {
	u64 time;  /* ns since boot, suspend included */
	u64 slots; /* that may still match, see struct plan */
	u16 event; /* index in the catalogue, or one of enum control */
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

/*
 * Records of the control ring: they keep user space's tree of processes, and are never printed. The task is the process
 * that begins, execs or ends, and start_time when it began; args[0] is when its parent did.
 */
enum control {
	CONTROL_EXEC =
		0xff00,      /* chunks: path of the file that runs; working directory, arguments where they are kept */
	CONTROL_FORK,        /* args[1], [2]: host pid and start time of the process that forked */
	CONTROL_EXIT,        /* args[1], [2]: the same of who takes its children; args[3]: status as wait gives it */
	CONTROL_CGROUP_MADE, /* args[0]: its id, chunk: its path */
	CONTROL_CGROUP_GONE, /* args[0]: its id */
	/* In the rings of the CPUs, as events are: what network events are made of. */
	CONTROL_PACKET =
		0xff20, /* chunk: its bytes; args: direction, network namespace, interface, length, which events */
	CONTROL_FLOW,   /* chunk: struct flow */
};

/* A TCP connection that has begun or ended, as this side sees it: Flow of crates/core/src/network/flows.rs. */
struct flow {
	u16 family, own_port, other_port;
	u8 ended, way;         /* enum flow_end, packet_direction of the first packet; 0: not known */
	u8 own[16], other[16]; /* of IPv4 the first four bytes */
	u64 began;             /* ns since boot; 0: before us */
	u64 sent, received;    /* bytes of payload */
	u32 segments_out, segments_in;
	u32 network_ns, error;
};
enum flow_end { FLOW_BEGINS, FLOW_CLOSED, FLOW_RESET, FLOW_TIMED_OUT, FLOW_ABORTED, FLOW_FAILED };

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

/*
 * What is tested. A slot is a scope with the rules that hold in it: a policy's own, or one for those rules of a policy
 * that narrow the scope. Bit n of every mask is slot n; only user space knows which policy it belongs to.
 *
 * A key is a field of the task, or of one kind of event. All values that slots compare a key with stand in maps, by the
 * number of the key: those of scopes first, then those of events.
 */
#define BANKS 2
enum number_key { KEY_PID, KEY_UID, KEY_MOUNT_NS, KEY_PID_NS, KEY_TREE, NUMBER_KEYS };
enum text_key { KEY_COMM, KEY_EXECUTABLE, KEY_UTS, TEXT_KEYS };
#define SCOPE_KEYS 16   /* for each bank */
#define MAX_FIELDS 1024 /* for each bank */
#define MAX_RANGES 4096 /* for each bank */
#define TEXT_MAX 240

struct number_scope {
	u64 used;     /* slots that test this key */
	u64 positive; /* ... by = or by a range: something has to match */
	u64 ranged;
	u64 min[MAX_POLICIES], max[MAX_POLICIES];
};

struct text_scope {
	u64 used, positive;
	u64 undecided;             /* ... in a way that only user space can test */
	u64 exact, prefix, suffix; /* ... with a value of that shape: where it is looked up */
};

/* Where an event's field is found. */
enum field_source {
	FIELD_REGISTER, /* an argument of a system call; number 6 is its result */
	FIELD_STRING,   /* what such an argument points at */
	FIELD_CHUNK,    /* a chunk of the record that holds a number, */
	FIELD_TEXT,     /* ... a text */
};
#define PLACE_RESULT 6
#define NO_PLACE 0xff

struct field {
	struct text_scope test;
	u32 first_range, ranges; /* of tracee_ranges */
	u8 source, place;
	u8 also;  /* FIELD_TEXT: another chunk, one of the two has to pass; or NO_PLACE */
	u8 width; /* of a number in bytes; 0: it is true or false */
	u8 is_signed;
	u8 by_caller; /* as wide as the caller's registers */
	u16 pad;
};

/* Matches a number whose bits in mask, as an ordered number, are from min to max. */
struct range {
	u64 mask, min, max;
	u64 yes, no;
};

struct verdict {
	u64 yes, no; /* slots that name this value with =, with != */
};

struct number_probe {
	u32 key, pad;
	u64 value;
};

struct text_probe {
	u32 prefix_bits; /* of the LPM tries; the hash begins after it */
	u32 key;
	union {
		char text[TEXT_MAX];
		u64 words[TEXT_MAX / 8];
	};
};

/* An event's fields in tracee_fields: first those that are tested before the record is put together, then the others.
 */
struct event_fields {
	u16 first;
	u8 early, late;
};

/* What is to be traced. There is room for two, so that one can be made ready while the other is in use. */
struct plan {
	u64 slots;               /* those in use */
	u64 generation;          /* no other plan ever had this one */
	u64 scoped;              /* slots with a predicate on the task */
	u64 follow;              /* slots that go on to children */
	u64 containers;          /* slots that ask for what container a task is in, */
	u64 on_host;             /* ... and those, with all others, that pass where it is in none */
	u64 riding;              /* slots that go along with events, but let none through by themselves */
	u64 wanted[MAX_EVENTS];  /* slots that select the event */
	u64 since[MAX_POLICIES]; /* generation in which the slot came to be what it is */
	struct event_fields fields[MAX_EVENTS];
	struct number_scope numbers[NUMBER_KEYS];
	struct text_scope texts[TEXT_KEYS];
};

/* What is known of a cgroup, in containers_map; one that is none of a container does not stand there. */
enum container_state {
	CONTAINER_NEW,   /* made a moment ago: user space has not said yet whose it is */
	CONTAINER_KNOWN, /* slots are set */
};

struct container {
	enum container_state state;
	u32 pad;
	u64 slots[BANKS]; /* that pass, or may, for tasks in it */
};

enum reader_state {
	READER_AWAKE,  /* draining: needs no wake-up */
	READER_NAP,    /* back within milliseconds: wake it when a ring fills */
	READER_ASLEEP, /* nothing has come for long: wake it for anything */
};

struct config {
	u32 bank;     /* of the plan in use */
	u32 self;     /* our own pid: never traced */
	u32 sampling; /* an event stays when a random u32 is at most this */
	u32 reader_state;
	u32 wake_bytes;         /* how full a ring wakes a napping reader */
	u32 exec_env;           /* sched_process_exec carries the environment */
	u32 rings;              /* rings in tracee_rings; CPU n uses n % rings */
	u32 process_tree;       /* the tree of processes knows working directories and arguments */
	u64 containers_changed; /* counts the changes of containers_map */
	u64 names_table; /* the kernel's, of cached names: one is at table + 8 * (its hash >> shift); 0: not known */
	u32 names_shift;
	u32 packet_bytes; /* of a packet that is wanted whole; 0: all */
	struct plan plans[BANKS];
};
