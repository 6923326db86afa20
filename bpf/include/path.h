/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of an open file, as the task that holds it would spell it: from its root, mounts crossed. It is put together
 * from its end, in builder->path. (bpf_d_path is allowed in too few places.)
 */
#pragma once

#include "buffer.h"

#define PATH_PARTS 2048

struct path_walk {
	struct dentry *dentry;
	struct vfsmount *mount;
	struct dentry *root_dentry;
	struct vfsmount *root_mount;
	u32 slot;
	u32 start; /* of what has been written, in builder->path */
	u32 flags;
	u32 detached; /* ended at a dentry without a parent: a pipe, a socket, a memfd */
	u32 ended;
};

static __always_inline long path_step(u64 index, struct path_walk *walk)
{
	struct builder *builder = builder_at(walk->slot);
	struct dentry *dentry = walk->dentry;
	struct vfsmount *vfsmount = walk->mount;
	if (!builder || (dentry == walk->root_dentry && vfsmount == walk->root_mount)) {
		walk->ended = 1;
		return 1;
	}
	if (dentry == BPF_CORE_READ(vfsmount, mnt_root)) {
		struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
		struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
		if (parent == mount) {
			walk->ended = 1;
			return 1;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = (void *)parent + bpf_core_field_offset(struct mount, mnt);
		return 0;
	}
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	u32 length = BPF_CORE_READ(dentry, d_name.len);
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	if (length > NAME_MAX)
		length = NAME_MAX;
	u32 start = walk->start;
	if (start > PATH_END || start < NAME_MAX + 1) {
		walk->flags |= CHUNK_CUT;
		walk->ended = 1;
		return 1;
	}
	start -= length;
	bpf_probe_read_kernel(&builder->path[start], length, name);
	if (parent == dentry) {
		walk->start = start;
		walk->detached = 1;
		walk->ended = 1;
		return 1;
	}
	start--;
	builder->path[start & (2 * PATH_MAX - 1)] = '/';
	walk->start = start;
	walk->dentry = parent;
	return 0;
}

LONG_STEP(path_step, struct path_walk)

/* Leaves the path in builder->path, up to PATH_END; tells where it starts and how it came out. What stands from start
 * to PATH_END already is kept behind it. */
static __always_inline int walk_path_from(struct path_walk *walk, u32 start)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	/* nothing is tested before the walk, which would be verified once for each way to it; of NULL NULL is read */
	walk->root_dentry = BPF_CORE_READ(fs, root.dentry);
	walk->root_mount = BPF_CORE_READ(fs, root.mnt);
	struct dentry *dentry = walk->dentry;
	walk->start = start;
	repeat_long(walk->slot, PATH_PARTS, path_step, walk);
	/* the root of a file system never is hashed */
	bool unhashed = !BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry;
	if (!walk->ended)
		walk->flags |= CHUNK_CUT;
	if (unhashed && !walk->detached && walk->start < PATH_END)
		walk->flags |= CHUNK_DELETED;
	if (walk->detached && BPF_CORE_READ(dentry, d_sb, s_magic) == ANON_INODE_FS_MAGIC)
		walk->flags |= CHUNK_ANON;
	return 0;
}

static __always_inline int walk_path(struct path_walk *walk)
{
	return walk_path_from(walk, PATH_END);
}

/* Appends what a walk has left in builder->path, the root itself where it left nothing. */
static __always_inline void append_walked(u32 slot, struct path_walk *walk, u32 flags)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0, from = walk->start;
	if (!start || start > DATA_MAX - 16)
		return;
	if (from >= PATH_END) {
		builder->data[start] = '/';
		chunk_close(builder, start, 1, flags);
		return;
	}
	/* verifiers may forget the limits of what was spilled to the stack meanwhile */
	barrier_var(from);
	from &= 2 * PATH_MAX - 1;
	u32 length = (PATH_END - from) & (2 * PATH_MAX - 1);
	barrier_var(start);
	if (start > DATA_MAX)
		return;
	bpf_probe_read_kernel(&builder->data[start], length, &builder->path[from]);
	chunk_close(builder, start, length, flags);
}

/* Appends the path of what is called lookup.last in the folder (dentry, mount). */
__noinline int append_path_below(u32 slot, u64 dentry, u64 mount)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	u32 length = builder->lookup.last_length;
	if (!dentry || !mount || length >= NAME_ROOM) {
		chunk_empty(builder, CHUNK_NULL);
		return 0;
	}
	u32 from = PATH_END - length - 1;
	builder->path[from & (2 * PATH_MAX - 1)] = '/';
	bpf_probe_read_kernel(&builder->path[(from + 1) & (2 * PATH_MAX - 1)], length, builder->lookup.last);
	struct path_walk walk = {.dentry = (void *)dentry, .mount = (void *)mount, .slot = slot};
	walk_path_from(&walk, from);
	append_walked(slot, &walk, walk.flags & ~CHUNK_DELETED);
	return 0;
}

/* Appends the path at (dentry, mount); files that have none are named by their inode. */
__noinline int append_path(u32 slot, u64 dentry, u64 mount)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	if (!dentry || !mount) {
		chunk_empty(builder, CHUNK_NULL);
		return 0;
	}
	struct path_walk walk = {.dentry = (void *)dentry, .mount = (void *)mount, .slot = slot};
	walk_path(&walk);

	if (walk.detached && !(walk.flags & CHUNK_ANON)) {
		u32 start = chunk_open(builder);
		if (!start || start > DATA_MAX - 16)
			return 0;
		struct inode *inode = BPF_CORE_READ((struct dentry *)dentry, d_inode);
		struct inode_chunk chunk = {.inode = BPF_CORE_READ(inode, i_ino), .mode = BPF_CORE_READ(inode, i_mode)};
		u32 type = chunk.mode & S_IFMT;
		if (type == S_IFSOCK || type == S_IFIFO || walk.start >= PATH_END) {
			__builtin_memcpy(&builder->data[start], &chunk, 12);
			chunk_close(builder, start, 12, CHUNK_INODE);
			return 0;
		}
	}
	append_walked(slot, &walk, walk.flags);
	return 0;
}

static __always_inline int append_file_path(u32 slot, struct file *file)
{
	return append_path(slot, file ? (u64)BPF_CORE_READ(file, f_path.dentry) : 0,
			   file ? (u64)BPF_CORE_READ(file, f_path.mnt) : 0);
}

/* The current task's open file number fd, or NULL. */
static __always_inline struct file *file_of(s32 fd)
{
	struct fdtable *table = READ(current_task(), files, fdt);
	if (!table || fd < 0 || (u32)fd >= READ(table, max_fds))
		return NULL;
	struct file **files = READ(table, fd);
	struct file *file = NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

__noinline int append_fd_path(u32 slot, s32 fd)
{
	return append_file_path(slot, file_of(fd));
}
