/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files opened, and names made and taken away. */

#include "include/lookup.h"
#include "include/hook.h"

/* ---- paths from a dentry ---- */

struct mount_of_search {
	u64 next, end; /* links of the list of a file system's mounts */
	struct mnt_namespace *namespace;
	struct mount *found;
};

static __always_inline bool mounts_are_chained(void)
{
	return bpf_core_field_exists(struct mount___v6_17, mnt_next_for_sb);
}

static __always_inline struct mount *mount_at(u64 link)
{
	if (mounts_are_chained())
		return (void *)link;
	return (void *)(link - bpf_core_field_offset(struct mount, mnt_instance));
}

static long mount_of_step(u64 index, struct mount_of_search *search)
{
	if (!search->next || search->next == search->end)
		return 1;
	struct mount *mount = mount_at(search->next);
	if (mounts_are_chained())
		search->next = (u64)BPF_CORE_READ((struct mount___v6_17 *)mount, mnt_next_for_sb);
	else
		search->next = (u64)BPF_CORE_READ(mount, mnt_instance.next);
	if (BPF_CORE_READ(mount, mnt_ns) != search->namespace)
		return 0;
	search->found = mount;
	return 1;
}

/*
 * A mount by which the task may have come to a dentry, where the kernel does not say: of its folder's file system, or
 * its root's, or the first of the file system in its namespace. One that the kernel made for itself, such as that of
 * memfds, is in no namespace.
 */
static __noinline struct vfsmount *mount_of(struct dentry *dentry)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct super_block *super = BPF_CORE_READ(dentry, d_sb);
	struct vfsmount *mount = BPF_CORE_READ(task, fs, pwd.mnt);
	if (mount && BPF_CORE_READ(mount, mnt_sb) == super)
		return mount;
	mount = BPF_CORE_READ(task, fs, root.mnt);
	if (mount && BPF_CORE_READ(mount, mnt_sb) == super)
		return mount;
	struct mount_of_search search = {.namespace = BPF_CORE_READ(task, nsproxy, mnt_ns)};
	if (mounts_are_chained()) {
		search.next = (u64)BPF_CORE_READ((struct super_block___v6_17 *)super, s_mounts);
	} else {
		search.end = (u64)super + bpf_core_field_offset(struct super_block, s_mounts);
		search.next = (u64)BPF_CORE_READ(super, s_mounts.next);
	}
	u64 first = search.next;
	repeat(1024, mount_of_step, &search);
	struct mount *found = search.found ? search.found : first && first != search.end ? mount_at(first) : NULL;
	return found ? (void *)found + bpf_core_field_offset(struct mount, mnt) : NULL;
}

static __noinline int append_dentry_path(u32 slot, struct dentry *dentry)
{
	return append_path(slot, (u64)dentry, (u64)mount_of(dentry));
}

/* ---- truncate ---- */

static __noinline int truncate_event(struct dentry *dentry, struct vfsmount *mount, u64 length)
{
	s32 slot = begin_event(EVENT_do_truncate);
	if (slot < 0)
		return 0;
	append_path(slot, (u64)dentry, (u64)mount);
	append_inode_number(slot, BPF_CORE_READ(dentry, d_inode));
	append_number(slot, length);
	return builder_send(slot);
}

/* From 5.12 on something about the mount's users comes first. */
AT_FUNCTION(do_truncate, u64 first, u64 second, u64 third)
{
	bool is_older = LINUX_KERNEL_VERSION < KERNEL_VERSION(5, 12, 0);
	struct dentry *dentry = (void *)(is_older ? first : second);
	return truncate_event(dentry, mount_of(dentry), is_older ? second : third);
}

AFTER_CALLS(truncate)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_do_truncate);
	if (slot < 0)
		return 0;
	look_up_target(slot, &call, 0);
	append_found_argument(slot, &call, 0);
	append_inode_number(slot, found_inode(slot));
	append_number(slot, call.args[1]);
	return builder_send(slot);
}

/* ---- open ---- */

/* What the caller wrote, where a call that opens is what the task is in: else the kernel opens it for the task. */
static __noinline int append_asked(u32 slot)
{
	struct call call = {};
	bool opens = read_call(current_registers(), &call) && call.group == GROUP_open;
	append_string(slot, opens ? asked_address(&call, 0) : 0, 0);
	return 0;
}

/* fs_type, file_name: what a file is, under whatever path it is to be found */
static __noinline int append_origin(u32 slot, struct dentry *dentry)
{
	if (!dentry) {
		append_unknown(slot);
		append_unknown(slot);
		return 0;
	}
	append_number(slot, BPF_CORE_READ(dentry, d_sb, s_magic));
	append_string(slot, (u64)BPF_CORE_READ(dentry, d_name.name), 1);
	return 0;
}

/* The slots that want it, by what costs little: no other event comes as often and is wanted as seldom. */
static __noinline u64 open_slots(struct file *file, u64 slots, u32 bank)
{
	_Static_assert(PLACE_security_file_open_file_name < FORESEEN, "the last of these places");
	struct foreseen foreseen = {};
	foresee(&foreseen, PLACE_security_file_open_flags, READ_FILE(file, f_flags));
	foresee(&foreseen, PLACE_security_file_open_fs_type, READ_FILE(file, f_path.dentry, d_sb, s_magic));
	foresee(&foreseen, PLACE_security_file_open_file_name, (u64)READ_FILE(file, f_path.dentry, d_name.name));
	return foreseen_slots(bank, EVENT_security_file_open, slots, &foreseen);
}

static __noinline int file_open_event(struct file *file)
{
	/* the file that a layered file system opens beneath the one that was asked for */
	if (READ_FILE(file, f_mode) & FMODE_BACKING)
		return 0;
	u32 bank = config.bank;
	u64 wanting = plan_of(bank)->wanted[EVENT_security_file_open];
	/* first, where there are slots that the scope of no task would turn away */
	if (wanting & ~plan_of(bank)->scoped && !open_slots(file, wanting, bank))
		return 0;
	struct wanted wanted = wanted_of_current(EVENT_security_file_open);
	if (!(wanting & ~plan_of(bank)->scoped) && wanted.slots)
		wanted.slots = open_slots(file, wanted.slots, wanted.bank);
	if (!wanted.slots)
		return 0;
	s32 slot = open_record(EVENT_security_file_open, wanted.slots, wanted.bank);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_number(slot, BPF_CORE_READ(file, f_flags));
	append_inode(slot, BPF_CORE_READ(file, f_inode));
	append_asked(slot);
	append_origin(slot, BPF_CORE_READ(file, f_path.dentry));
	return builder_send(slot);
}

AT_SECURITY(file_open, struct file *file)
{
	return file_open_event(file);
}

/* The flags that an open was called with: those that only concern the opening are not kept with the file. */
static __noinline u64 open_flags(struct pt_regs *regs)
{
	struct call call = {};
	u64 flags = 0;
	if (!read_call(regs, &call))
		return 0;
	switch (call.event) {
	case EVENT_creat:
		return O_TRUNC;
	case EVENT_open:
		return call.args[1];
	case EVENT_openat2:
		bpf_probe_read_user(&flags, 8, (void *)call.args[2]); /* of struct open_how, the first field */
		return flags;
	default:
		return call.args[2];
	}
}

AFTER_CALLS(open)
{
	struct file *file = result < 0 ? NULL : file_of(result);
	if (!file)
		return 0;
	if (by_lesser_way(EVENT_file_modification))
		forget_modification(file);
	if (by_lesser_way(EVENT_security_file_open))
		file_open_event(file);
	if (!by_lesser_way(EVENT_do_truncate))
		return 0;
	/* an open that truncates does not come to truncate's calls */
	bool is_new = READ_FILE(file, f_mode) & FMODE_CREATED;
	if (open_flags(regs) & O_TRUNC && !is_new && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG)
		truncate_event(BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt), 0);
	return 0;
}

/* ---- unlink ---- */

AT_SECURITY(inode_unlink, struct inode *folder, struct dentry *dentry)
{
	s32 slot = begin_event(EVENT_security_inode_unlink);
	if (slot < 0)
		return 0;
	append_dentry_path(slot, dentry);
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	append_inode_number(slot, inode);
	append_number(slot, inode_ctime(inode));
	return builder_send(slot);
}

/* Looks up the call's first path before the call takes it away. */
static __noinline int note_path(struct pt_regs *regs, u32 event, u32 flags)
{
	struct call call = {};
	if (!is_watched(event) || !read_call(regs, &call))
		return 0;
	s32 slot = builder_take();
	if (slot < 0)
		return 0;
	look_up_argument(slot, &call, 0, flags);
	keep_note(slot);
	builder_release(slot);
	return 0;
}

BEFORE_CALLS(unlink)
{
	return note_path(regs, EVENT_security_inode_unlink, LOOKUP_NOFOLLOW);
}

AFTER_CALLS(unlink)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call) || call.event == EVENT_rmdir)
		return 0;
	if (call.event == EVENT_unlinkat && call.args[2] & AT_REMOVEDIR)
		return 0;
	s32 slot = begin_event(EVENT_security_inode_unlink);
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return 0;
	if (take_note(slot)) {
		append_noted_path(slot);
		append_number(slot, builder->note.inode);
		append_number(slot, builder->note.dev);
		append_number(slot, builder->note.ctime);
	} else {
		append_asked_path(slot, asked_dirfd(&call, 0), asked_address(&call, 0));
		append_unknown(slot);
		append_unknown(slot);
		append_unknown(slot);
	}
	return builder_send(slot);
}

/* ---- rename ---- */

AT_SECURITY(inode_rename, struct inode *old_folder, struct dentry *old, struct inode *new_folder, struct dentry *new)
{
	s32 slot = begin_event(EVENT_security_inode_rename);
	if (slot < 0)
		return 0;
	append_dentry_path(slot, old);
	append_dentry_path(slot, new);
	return builder_send(slot);
}

BEFORE_CALLS(rename)
{
	return note_path(regs, EVENT_security_inode_rename, LOOKUP_NOFOLLOW);
}

AFTER_CALLS(rename)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_security_inode_rename);
	if (slot < 0)
		return 0;
	if (take_note(slot))
		append_noted_path(slot);
	else
		append_asked_path(slot, asked_dirfd(&call, 0), asked_address(&call, 0));
	look_up_argument(slot, &call, 1, LOOKUP_NOFOLLOW);
	append_found_argument(slot, &call, 1);
	return builder_send(slot);
}

/* ---- symbolic links, nodes ---- */

AT_SECURITY(inode_symlink, struct inode *folder, struct dentry *dentry, const char *target)
{
	s32 slot = begin_event(EVENT_security_inode_symlink);
	if (slot < 0)
		return 0;
	append_dentry_path(slot, dentry);
	append_string(slot, (u64)target, 1);
	return builder_send(slot);
}

AFTER_CALLS(symlink)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_security_inode_symlink);
	if (slot < 0)
		return 0;
	look_up_argument(slot, &call, 0, LOOKUP_NOFOLLOW);
	append_found_argument(slot, &call, 0);
	append_string(slot, call.args[0], 0);
	return builder_send(slot);
}

static __always_inline bool is_node(u32 mode)
{
	/* mknod makes plain files too, which the kernel does not ask mknod's hook about */
	u32 type = mode & S_IFMT;
	return type && type != S_IFREG;
}

AT_SECURITY(inode_mknod, struct inode *folder, struct dentry *dentry, u32 mode, u32 dev)
{
	s32 slot = begin_event(EVENT_security_inode_mknod);
	if (slot < 0)
		return 0;
	append_dentry_path(slot, dentry);
	append_number(slot, (u16)mode);
	append_number(slot, user_dev(dev));
	return builder_send(slot);
}

AFTER_CALLS(mknod)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	u32 mode = call.event == EVENT_mknodat ? call.args[2] : call.args[1];
	if (!is_node(mode))
		return 0;
	s32 slot = begin_event(EVENT_security_inode_mknod);
	if (slot < 0)
		return 0;
	look_up_argument(slot, &call, 0, LOOKUP_NOFOLLOW);
	append_found_argument(slot, &call, 0);
	struct inode *inode = found_inode(slot);
	append_number(slot, inode ? BPF_CORE_READ(inode, i_mode) : mode & 0xffff);
	append_number(slot, inode ? user_dev(BPF_CORE_READ(inode, i_rdev))
				  : (u32)(call.event == EVENT_mknodat ? call.args[3] : call.args[2]));
	return builder_send(slot);
}
