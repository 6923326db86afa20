/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing an event other than a system call: begin_event, then append_... once for each argument of its record in the
 * catalogue, in order, then builder_send.
 */
#pragma once

#include "call.h"

/* A builder with the record's head filled in, or -1 with the loss counted. */
static __noinline s32 open_record(u16 event, u64 slots, u32 bank)
{
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(event);
		return -1;
	}
	fill_record(&builder->record, event, slots, bank);
	builder->record.ret = 0;
	__builtin_memset(builder->record.args, 0, sizeof(builder->record.args));
	return slot;
}

/* A builder for this event of the current task, or -1 where no slot wants it. */
static __always_inline s32 begin_event(u16 event)
{
	struct wanted wanted = wanted_of_current(event);
	return wanted.slots ? open_record(event, wanted.slots, wanted.bank) : -1;
}

/*
 * Whether the event is taken from system calls or tracepoints. Asked by programs that serve several events, which may
 * be loaded for another one of them.
 */
static __always_inline bool by_lesser_way(u16 event)
{
	return served.lesser[event / 64 % (MAX_EVENTS / 64)] >> event % 64 & 1;
}

/* The return value of an event that has one. */
static __always_inline void set_result(u32 slot, s64 result)
{
	struct builder *builder = builder_at(slot);
	if (builder)
		builder->record.ret = result;
}

/* What this way of taking the event cannot know. */
static __always_inline void append_unknown(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (builder)
		chunk_empty(builder, CHUNK_NULL);
}

/* As the kind `cred` of the catalogue is laid out: `Cred` of crates/core/src/value.rs. */
struct credentials {
	u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	u32 user_ns, securebits;
	u64 inheritable, permitted, effective, bounding, ambient;
};

/*
 * A time of an inode in ns since 1970. Its place and form changed thrice; in the last, from 6.13 on, the top bit of the
 * change time's nanoseconds says that the time has been asked for.
 */
#define INODE_TIME(name)                                                                                               \
	static __noinline u64 inode_##name(struct inode *inode)                                                        \
	{                                                                                                              \
		struct inode___v6_6 *newer = (void *)inode;                                                            \
		struct inode___v5 *older = (void *)inode;                                                              \
		if (bpf_core_field_exists(inode->i_##name##_sec))                                                      \
			return BPF_CORE_READ(inode, i_##name##_sec) * 1000000000ULL +                                  \
			       (BPF_CORE_READ(inode, i_##name##_nsec) & 0x7fffffff);                                   \
		if (bpf_core_field_exists(newer->__i_##name))                                                          \
			return BPF_CORE_READ(newer, __i_##name.tv_sec) * 1000000000ULL +                               \
			       BPF_CORE_READ(newer, __i_##name.tv_nsec);                                               \
		return BPF_CORE_READ(older, i_##name.tv_sec) * 1000000000ULL + BPF_CORE_READ(older, i_##name.tv_nsec); \
	}
INODE_TIME(ctime)
INODE_TIME(atime)
INODE_TIME(mtime)

/* As stat(2) gives st_dev. */
static __always_inline u64 user_dev(u32 dev)
{
	u32 major = dev >> 20, minor = dev & 0xfffff;
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

/* dev, inode */
static __always_inline int append_device_inode(u32 slot, struct inode *inode)
{
	if (!inode) {
		append_unknown(slot);
		append_unknown(slot);
		return 0;
	}
	append_number(slot, user_dev(BPF_CORE_READ(inode, i_sb, s_dev)));
	append_number(slot, BPF_CORE_READ(inode, i_ino));
	return 0;
}

/* dev, inode, ctime: three arguments, unknown where there is no inode */
static __noinline int append_inode(u32 slot, struct inode *inode)
{
	append_device_inode(slot, inode);
	if (inode)
		append_number(slot, inode_ctime(inode));
	else
		append_unknown(slot);
	return 0;
}

/* inode, dev: in this order by other events */
static __noinline int append_inode_number(u32 slot, struct inode *inode)
{
	if (!inode) {
		append_unknown(slot);
		append_unknown(slot);
		return 0;
	}
	append_number(slot, BPF_CORE_READ(inode, i_ino));
	append_number(slot, user_dev(BPF_CORE_READ(inode, i_sb, s_dev)));
	return 0;
}

/* path, dev, inode, ctime */
static __noinline int append_file(u32 slot, struct file *file)
{
	append_file_path(slot, file);
	return append_inode(slot, file ? BPF_CORE_READ(file, f_inode) : NULL);
}
