/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a path leads that a system call was given: looked up in the kernel's cache of names, as the kernel did itself a
 * moment ago, or will do. Nothing is locked: what changes meanwhile makes the answer wrong or none, never harmful. It
 * gives up on names that are not cached and on links whose text is not; and on kernels before 5.17, whose verifier it
 * is too much for.
 */
#pragma once

#include "event.h"

#define CHILDREN_MAX 16384 /* of a folder, looked through */
#define HASHED_MAX 1024    /* in one place of the kernel's table of names */
#define HASH_MULTIPLIER 0x61c8864680b583ebull
#define MOUNTS_MAX 4096
#define LINKS_MAX 16
#define TEXT_HALF PATH_MAX /* the text stands in one half of builder->path; a link's is put together in the other */

#define LOOKUP_NOFOLLOW 1 /* a link at the end is what is meant */
#define LOOKUP_KERNEL 2   /* the text stands in the kernel's memory */

static __always_inline u64 first_child(struct dentry *parent)
{
	struct dentry___v6_7 *older = (void *)parent;
	if (bpf_core_field_exists(parent->d_children)) {
		u64 node = (u64)BPF_CORE_READ(parent, d_children.first);
		return node ? node - bpf_core_field_offset(struct dentry, d_sib) : 0;
	}
	u64 head = (u64)parent + bpf_core_field_offset(struct dentry___v6_7, d_subdirs);
	u64 node = (u64)BPF_CORE_READ(older, d_subdirs.next);
	return node == head ? 0 : node - bpf_core_field_offset(struct dentry___v6_7, d_child);
}

static __always_inline u64 next_child(struct dentry *child)
{
	struct dentry___v6_7 *older = (void *)child;
	if (bpf_core_field_exists(child->d_sib)) {
		u64 node = (u64)BPF_CORE_READ(child, d_sib.next);
		return node ? node - bpf_core_field_offset(struct dentry, d_sib) : 0;
	}
	struct dentry___v6_7 *parent = (void *)BPF_CORE_READ(child, d_parent);
	u64 head = (u64)parent + bpf_core_field_offset(struct dentry___v6_7, d_subdirs);
	u64 node = (u64)BPF_CORE_READ(older, d_child.next);
	return node == head ? 0 : node - bpf_core_field_offset(struct dentry___v6_7, d_child);
}

/* Is the candidate's name that in lookup.name? Both end in zeroes. */
static __always_inline bool same_name(struct lookup *lookup)
{
	u64 *wanted = (u64 *)lookup->name, *candidate = (u64 *)lookup->candidate;
	for (u32 i = 0; i < NAME_ROOM / 8; i++)
		if (wanted[i] != candidate[i])
			return false;
	return true;
}

/* Is this what is looked for in lookup.dentry? */
static __always_inline bool is_the_child(struct lookup *lookup, struct dentry *child)
{
	u32 length = lookup->length;
	FORGOTTEN(length);
	/* a name that is no longer linked stays in lists for a while */
	if (length >= NAME_ROOM || BPF_CORE_READ(child, d_name.len) != length || !BPF_CORE_READ(child, d_hash.pprev))
		return false;
	__builtin_memset(lookup->candidate, 0, NAME_ROOM);
	bpf_probe_read_kernel(lookup->candidate, length, BPF_CORE_READ(child, d_name.name));
	return same_name(lookup);
}

/* One of all names that the folder has in the cache. */
static long child_step(u64 index, u32 *slot)
{
	struct builder *builder = builder_at(*slot);
	if (!builder)
		return 1;
	struct lookup *lookup = &builder->lookup;
	struct dentry *child = (void *)lookup->next;
	if (!child)
		return 1;
	lookup->next = next_child(child);
	if (!is_the_child(lookup, child))
		return 0;
	lookup->child = (u64)child;
	return 1;
}

/* One of the names that the kernel's table has in the same place, of whatever folders. */
static long hashed_step(u64 index, u32 *slot)
{
	struct builder *builder = builder_at(*slot);
	if (!builder)
		return 1;
	struct lookup *lookup = &builder->lookup;
	if (!lookup->next)
		return 1;
	struct dentry *child = (void *)lookup->next - bpf_core_field_offset(struct dentry, d_hash);
	lookup->next = (u64)BPF_CORE_READ(child, d_hash.next);
	if (BPF_CORE_READ(child, d_name.hash_len) != lookup->hash_len ||
	    (u64)BPF_CORE_READ(child, d_parent) != lookup->dentry || !is_the_child(lookup, child))
		return 0;
	lookup->child = (u64)child;
	return 1;
}

#define ROTATED(word, bits) ((word) << (bits) | (word) >> (64 - (bits)))

/* The kernel's hash of lookup.name in the folder lookup.dentry; `Sample::hash` of crates/kernel/src/names.rs, too. */
static __noinline u32 hash_of_name(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	u64 *words = (u64 *)builder->lookup.name;
	u64 x = 0, y = builder->lookup.dentry;
	u32 length = builder->lookup.length;
	for (u32 i = 0; i < NAME_ROOM / 8; i++) {
		x ^= words[i];
		if (length < 8 * (i + 1))
			break;
		y ^= x;
		x = ROTATED(x, 12) + y;
		y = ROTATED(y, 45) * 9;
	}
	y ^= x * HASH_MULTIPLIER;
	return y * HASH_MULTIPLIER >> 32;
}

/*
 * The name lookup.name in the folder lookup.dentry, as far as it is cached, in lookup.child. By the kernel's table of
 * names, as the kernel does; all names of the folder are gone through where we do not know the table, or where the file
 * system has a hash of its own.
 */
static __noinline int find_child(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct lookup *lookup = &builder->lookup;
	struct dentry *parent = (void *)lookup->dentry;
	lookup->child = 0;
	if (!config.names_table || BPF_CORE_READ(parent, d_flags) & DCACHE_OP_HASH) {
		lookup->next = first_child(parent);
		repeat(CHILDREN_MAX, child_step, &slot);
		return 0;
	}
	u32 hash = hash_of_name(slot);
	lookup->hash_len = (u64)lookup->length << 32 | hash;
	u64 *place = (void *)config.names_table + 8 * (u64)(hash >> (config.names_shift & 31));
	u64 first = 0;
	bpf_probe_read_kernel(&first, sizeof(first), place);
	lookup->next = first & ~1ull; /* the lowest bit is a lock */
	repeat(HASHED_MAX, hashed_step, &slot);
	return 0;
}

struct mount_search {
	u64 next, head;
	struct dentry *at;
	struct mount *found;
};

static long mount_step(u64 index, struct mount_search *search)
{
	if (search->next == search->head || !search->next)
		return 1;
	struct mount *mount = (void *)(search->next - bpf_core_field_offset(struct mount, mnt_child));
	search->next = (u64)BPF_CORE_READ(mount, mnt_child.next);
	if (BPF_CORE_READ(mount, mnt_mountpoint) != search->at)
		return 0;
	search->found = mount;
	return 1;
}

/* What is mounted on (lookup.dentry, lookup.mount), and on that again. */
static long cross_step(u64 index, u32 *slot)
{
	struct builder *builder = builder_at(*slot);
	if (!builder)
		return 1;
	struct dentry *dentry = (void *)builder->lookup.dentry;
	if (!(BPF_CORE_READ(dentry, d_flags) & builder->lookup.mounted))
		return 1;
	struct mount *mount = (void *)builder->lookup.mount - bpf_core_field_offset(struct mount, mnt);
	struct mount_search search = {.head = (u64)mount + bpf_core_field_offset(struct mount, mnt_mounts),
				      .next = (u64)BPF_CORE_READ(mount, mnt_mounts.next),
				      .at = (void *)builder->lookup.dentry};
	repeat(MOUNTS_MAX, mount_step, &search);
	if (!search.found)
		return 1;
	struct mount *found = search.found;
	builder->lookup.mount = (u64)found + bpf_core_field_offset(struct mount, mnt);
	builder->lookup.dentry = (u64)BPF_CORE_READ(found, mnt.mnt_root);
	return 0;
}

/* `..`: not beyond the task's root, and out of as many mounts as we stand at the root of. */
static long leave_step(u64 index, u32 *slot)
{
	struct builder *builder = builder_at(*slot);
	if (!builder)
		return 1;
	struct lookup *lookup = &builder->lookup;
	struct dentry *dentry = (void *)lookup->dentry;
	struct vfsmount *vfsmount = (void *)lookup->mount;
	if (lookup->dentry == lookup->root_dentry && lookup->mount == lookup->root_mount)
		return 1;
	if (dentry != BPF_CORE_READ(vfsmount, mnt_root)) {
		lookup->dentry = (u64)BPF_CORE_READ(dentry, d_parent);
		return 1;
	}
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
	if (parent == mount)
		return 1;
	lookup->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
	lookup->mount = (u64)parent + bpf_core_field_offset(struct mount, mnt);
	return 0;
}

/* Goes on with a link's text, and what stands behind the link after it. */
static __noinline int follow_link(u32 slot, u64 text)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return LOOKUP_FAILED;
	struct lookup *lookup = &builder->lookup;
	if (!text || ++lookup->links > LINKS_MAX)
		return LOOKUP_FAILED;
	u32 from = lookup->half ? TEXT_HALF : 0, to = lookup->half ? 0 : TEXT_HALF;
	long length = bpf_probe_read_kernel_str(&builder->path[to], TEXT_HALF / 2, (void *)text);
	u32 at = lookup->at;
	if (length < 2 || length > TEXT_HALF / 2 || at >= TEXT_HALF)
		return LOOKUP_FAILED;
	/* the rest begins with a slash, or is nothing */
	u32 rest = (to + length - 1) & (2 * PATH_MAX - 1);
	if (rest > 2 * PATH_MAX - TEXT_HALF / 2)
		return LOOKUP_FAILED;
	if (bpf_probe_read_kernel_str(&builder->path[rest], TEXT_HALF / 2,
				      &builder->path[(from + at) & (2 * PATH_MAX - 1)]) < 0)
		return LOOKUP_FAILED;
	lookup->half = !lookup->half;
	lookup->at = 0;
	if (builder->path[to] == '/') {
		lookup->dentry = lookup->root_dentry;
		lookup->mount = lookup->root_mount;
	}
	return LOOKUP_GOES_ON;
}

/* One name of the path: lookup.name, `length` long. */
static __noinline int take_name(u32 slot, u32 length, u32 is_last)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return LOOKUP_FAILED;
	struct lookup *lookup = &builder->lookup;
	lookup->parent_dentry = lookup->dentry;
	lookup->parent_mount = lookup->mount;
	if (length == 0 || (length == 1 && lookup->name[0] == '.'))
		return LOOKUP_GOES_ON;
	if (length == 2 && lookup->name[0] == '.' && lookup->name[1] == '.') {
		repeat(64, leave_step, &slot);
		repeat(64, cross_step, &slot);
		return LOOKUP_GOES_ON;
	}
	find_child(slot);
	struct dentry *child = (void *)lookup->child;
	struct inode *inode = child ? BPF_CORE_READ(child, d_inode) : NULL;
	if (!inode)
		return is_last ? LOOKUP_MISSING : LOOKUP_FAILED;
	bool is_link = (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFLNK;
	if (is_link && !(is_last && lookup->flags & LOOKUP_NOFOLLOW))
		return follow_link(slot, (u64)BPF_CORE_READ(inode, i_link));
	lookup->dentry = (u64)child;
	repeat(64, cross_step, &slot);
	return LOOKUP_GOES_ON;
}

/* Collects a name, byte by byte, and takes it where it ends. */
static long lookup_step(u64 index, u32 *slot)
{
	struct builder *builder = builder_at(*slot);
	if (!builder)
		return 1;
	struct lookup *lookup = &builder->lookup;
	u32 at = lookup->at, length = lookup->length;
	if (at >= TEXT_HALF || length >= NAME_ROOM) {
		lookup->result = LOOKUP_FAILED;
		return 1;
	}
	u32 place = ((lookup->half ? TEXT_HALF : 0) + at) & (2 * PATH_MAX - 1);
	char byte = builder->path[place];
	if (byte && byte != '/') {
		lookup->name[length & (NAME_ROOM - 1)] = byte;
		lookup->length = length + 1;
		lookup->at = at + 1;
		return 0;
	}
	/* slashes at the end name what is before them */
	if (!length && byte == '/') {
		lookup->at = at + 1;
		return 0;
	}
	int result = LOOKUP_GOES_ON;
	if (length) {
		/* by the helper: a copy of the compiler's takes as much of the stack, of which there is little */
		bpf_probe_read_kernel(lookup->last, NAME_ROOM, lookup->name);
		lookup->last_length = length;
		result = take_name(*slot, length, !byte);
		__builtin_memset(lookup->name, 0, NAME_ROOM);
		lookup->length = 0;
		builder = builder_at(*slot);
		if (!builder)
			return 1;
		lookup = &builder->lookup;
		if (result == LOOKUP_GOES_ON && lookup->at == at)
			lookup->at = at + 1;
	}
	if (result == LOOKUP_GOES_ON && byte)
		return 0;
	/* a link at the end goes on with its text */
	if (result == LOOKUP_GOES_ON && lookup->at == 0)
		return 0;
	lookup->result = result == LOOKUP_GOES_ON ? LOOKUP_FOUND : result;
	return 1;
}

static __always_inline u32 mounted_flag(void)
{
	if (bpf_core_enum_value_exists(enum dentry_flags___v6_15, DCACHE_MOUNTED___v6_15))
		return bpf_core_enum_value(enum dentry_flags___v6_15, DCACHE_MOUNTED___v6_15);
	return DCACHE_MOUNTED_OR_MORE;
}

/*
 * Looks up the text at an address, a user's unless LOOKUP_KERNEL, relative to a descriptor or AT_FDCWD. The answer is
 * in builder->lookup; an empty text means the descriptor's own file.
 */
__noinline int look_up(u32 slot, s32 dirfd, u64 address, u32 flags)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return LOOKUP_FAILED;
	struct lookup *lookup = &builder->lookup;
	__builtin_memset(lookup, 0, sizeof(*lookup));
	lookup->flags = flags;
	lookup->result = LOOKUP_FAILED;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	if (OLDER_KERNEL) {
		/* used, so that callers do pass them: the verifier goes by the declaration */
		barrier_var(dirfd);
		barrier_var(address);
		barrier_var(flags);
	}
	if (OLDER_KERNEL || !fs)
		return LOOKUP_FAILED;
	lookup->root_dentry = (u64)BPF_CORE_READ(fs, root.dentry);
	lookup->root_mount = (u64)BPF_CORE_READ(fs, root.mnt);
	lookup->mounted = mounted_flag();
	long length = flags & LOOKUP_KERNEL ? bpf_probe_read_kernel_str(builder->path, TEXT_HALF, (void *)address)
					    : bpf_probe_read_user_str(builder->path, TEXT_HALF, (void *)address);
	if (length < 0 || length >= TEXT_HALF)
		return LOOKUP_FAILED;
	if (builder->path[0] == '/') {
		lookup->dentry = lookup->root_dentry;
		lookup->mount = lookup->root_mount;
	} else if (dirfd == AT_FDCWD) {
		lookup->dentry = (u64)BPF_CORE_READ(fs, pwd.dentry);
		lookup->mount = (u64)BPF_CORE_READ(fs, pwd.mnt);
	} else {
		struct file *file = file_of(dirfd);
		if (!file)
			return LOOKUP_FAILED;
		lookup->dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
		lookup->mount = (u64)BPF_CORE_READ(file, f_path.mnt);
	}
	lookup->parent_dentry = lookup->dentry;
	lookup->parent_mount = lookup->mount;
	repeat(2 * PATH_MAX * 4, lookup_step, &slot);
	return lookup->result;
}

/* Appends the text at an address, made absolute by the path of the folder that it is relative to. */
__noinline int append_asked_text(u32 slot, s32 dirfd, u64 address, u32 in_kernel)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start || start > DATA_MAX)
		return 0;
	char first = 0;
	if (in_kernel)
		bpf_probe_read_kernel(&first, 1, (void *)address);
	else
		bpf_probe_read_user(&first, 1, (void *)address);
	u32 length = 0;
	if (first != '/') {
		struct task_struct *task = (void *)bpf_get_current_task();
		if (dirfd == AT_FDCWD)
			append_path(slot, (u64)BPF_CORE_READ(task, fs, pwd.dentry),
				    (u64)BPF_CORE_READ(task, fs, pwd.mnt));
		else
			append_fd_path(slot, dirfd);
		builder = builder_at(slot);
		if (!builder || builder->used < start || builder->used - start > PATH_MAX)
			return 0;
		length = builder->used - start;
		if (start + length > DATA_MAX)
			return 0;
		builder->data[start + length] = '/';
		length++;
	}
	if (start + length > DATA_MAX)
		return 0;
	void *to = &builder->data[start + length];
	long n = in_kernel ? bpf_probe_read_kernel_str(to, STRING_MAX, (void *)address)
			   : bpf_probe_read_user_str(to, STRING_MAX, (void *)address);
	if (n < 0)
		chunk_close(builder, start, 0, CHUNK_FAULT);
	else
		chunk_close(builder, start, length + (n > 0 ? n - 1 : 0),
			    CHUNK_ASKED | (n == STRING_MAX ? CHUNK_CUT : 0));
	return 0;
}

static __always_inline int append_asked_path(u32 slot, s32 dirfd, u64 address)
{
	return append_asked_text(slot, dirfd, address, 0);
}

/* Appends the path that look_up has just found for the same arguments; or, where it gave up, what was asked for. */
static __always_inline int append_found_path(u32 slot, s32 dirfd, u64 address)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct lookup *lookup = &builder->lookup;
	if (lookup->result == LOOKUP_FOUND)
		return append_path(slot, lookup->dentry, lookup->mount);
	if (lookup->result == LOOKUP_MISSING)
		return append_path_below(slot, lookup->parent_dentry, lookup->parent_mount);
	return append_asked_text(slot, dirfd, address, lookup->flags & LOOKUP_KERNEL);
}

/* The name that look_up has just found, or NULL. */
static __always_inline struct dentry *found_dentry(u32 slot)
{
	struct builder *builder = builder_at(slot);
	return builder && builder->lookup.result == LOOKUP_FOUND ? (void *)builder->lookup.dentry : NULL;
}

/* Its inode, or NULL. */
static __always_inline struct inode *found_inode(u32 slot)
{
	struct dentry *dentry = found_dentry(slot);
	return dentry ? BPF_CORE_READ(dentry, d_inode) : NULL;
}

/* The descriptor that path number `which` of a call is relative to. */
static __always_inline s32 asked_dirfd(struct call *call, u32 which)
{
	u32 place = call->dirfd[which & 1];
	return place < 6 ? (s32)call->args[place] : AT_FDCWD;
}

/* Looks up path number `which` of a call. */
static __always_inline int look_up_argument(u32 slot, struct call *call, u32 which, u32 flags)
{
	return look_up(slot, asked_dirfd(call, which), asked_address(call, which), flags);
}

static __always_inline int append_found_argument(u32 slot, struct call *call, u32 which)
{
	return append_found_path(slot, asked_dirfd(call, which), asked_address(call, which));
}

/* Looks up what a call is about: its first path, or the file of its descriptor where it takes no path, or none. */
static __always_inline int look_up_target(u32 slot, struct call *call, u32 flags)
{
	if (asked_address(call, 0))
		return look_up_argument(slot, call, 0, flags);
	struct builder *builder = builder_at(slot);
	struct file *file = file_of(call->args[0]);
	if (!builder)
		return LOOKUP_FAILED;
	builder->lookup.result = file ? LOOKUP_FOUND : LOOKUP_FAILED;
	builder->lookup.dentry = file ? (u64)BPF_CORE_READ(file, f_path.dentry) : 0;
	builder->lookup.mount = file ? (u64)BPF_CORE_READ(file, f_path.mnt) : 0;
	return builder->lookup.result;
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct note);
} tracee_notes SEC(".maps");

/* Keeps what look_up has found until the call that the task is in has ended. */
static __noinline int keep_note(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct lookup *lookup = &builder->lookup;
	struct note *note = &builder->note;
	note->result = lookup->result;
	note->dentry = lookup->dentry;
	note->mount = lookup->mount;
	note->parent_dentry = lookup->parent_dentry;
	note->parent_mount = lookup->parent_mount;
	note->last_length = lookup->last_length;
	bpf_probe_read_kernel(note->last, NAME_ROOM, lookup->last);
	struct inode *inode = found_inode(slot);
	note->inode = inode ? BPF_CORE_READ(inode, i_ino) : 0;
	note->dev = inode ? user_dev(BPF_CORE_READ(inode, i_sb, s_dev)) : 0;
	note->ctime = inode ? inode_ctime(inode) : 0;
	note->mode = inode ? BPF_CORE_READ(inode, i_mode) : 0;
	note->type = inode ? (u64)BPF_CORE_READ(inode, i_sb, s_type, name) : 0;
	u64 task = bpf_get_current_pid_tgid();
	return bpf_map_update_elem(&tracee_notes, &task, note, BPF_ANY);
}

/* What keep_note kept, in builder->note and for append_noted_path. False where there is nothing. */
static __noinline bool take_note(u32 slot)
{
	struct builder *builder = builder_at(slot);
	u64 task = bpf_get_current_pid_tgid();
	struct note *note = bpf_map_lookup_elem(&tracee_notes, &task);
	if (!builder || !note)
		return false;
	bpf_probe_read_kernel(&builder->note, sizeof(*note), note);
	bpf_probe_read_kernel(builder->lookup.last, NAME_ROOM, note->last);
	builder->lookup.last_length = note->last_length;
	bpf_map_delete_elem(&tracee_notes, &task);
	return builder->note.result == LOOKUP_FOUND;
}

/* The path that a name had before the call: of the folder it was in, with the name. */
static __always_inline int append_noted_path(u32 slot)
{
	struct builder *builder = builder_at(slot);
	return builder ? append_path_below(slot, builder->note.parent_dentry, builder->note.parent_mount) : 0;
}
