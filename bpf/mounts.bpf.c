/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mounts, and where a task stands among them. */

#include "include/lookup.h"
#include "include/hook.h"

AT_SECURITY(sb_mount, const char *device, const struct path *path, const char *type, u64 flags)
{
	s32 slot = begin_event(EVENT_security_sb_mount);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)device, 1);
	append_path(slot, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
	append_string(slot, (u64)type, 1);
	append_number(slot, flags);
	return builder_send(slot);
}

AFTER_CALLS(mount)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_security_sb_mount);
	if (slot < 0)
		return 0;
	append_string(slot, call.args[0], 0);
	look_up(slot, AT_FDCWD, call.args[1], 0);
	append_found_path(slot, AT_FDCWD, call.args[1]);
	append_string(slot, call.args[2], 0);
	append_number(slot, call.args[3]);
	return builder_send(slot);
}

AT_SECURITY(sb_umount, struct vfsmount *mount, int flags)
{
	s32 slot = begin_event(EVENT_security_sb_umount);
	if (slot < 0)
		return 0;
	append_path(slot, (u64)BPF_CORE_READ(mount, mnt_root), (u64)mount);
	append_string(slot, (u64)BPF_CORE_READ(mount, mnt_sb, s_type, name), 1);
	append_number(slot, (s64)flags);
	return builder_send(slot);
}

/* Where the mount hangs: of the mount itself nothing is left afterwards. */
BEFORE_CALLS(umount)
{
	struct call call = {};
	if (!is_watched(EVENT_security_sb_umount) || !read_call(regs, &call))
		return 0;
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return 0;
	look_up(slot, AT_FDCWD, call.args[0], 0);
	keep_note(slot);
	builder_release(slot);
	return 0;
}

AFTER_CALLS(umount)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_security_sb_umount);
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return 0;
	if (take_note(slot)) {
		append_noted_path(slot);
		append_string(slot, builder->note.type, 1);
	} else {
		append_asked_path(slot, AT_FDCWD, call.args[0]);
		append_unknown(slot);
	}
	append_number(slot, call.event == EVENT_umount2 ? (s64)(s32)call.args[1] : 0);
	return builder_send(slot);
}

/* ---- the working directory ---- */

static __noinline int append_chdir_argument(u32 slot)
{
	struct call call = {};
	bool known = read_call(current_registers(), &call) && call.group == GROUP_chdir;
	append_string(slot, known ? asked_address(&call, 0) : 0, 0);
	return 0;
}

AT_FUNCTION(set_fs_pwd, struct fs_struct *fs, const struct path *path)
{
	s32 slot = begin_event(EVENT_set_fs_pwd);
	if (slot < 0)
		return 0;
	append_chdir_argument(slot);
	append_path(slot, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
	return builder_send(slot);
}

AFTER_CALLS(chdir)
{
	s32 slot = result < 0 ? -1 : begin_event(EVENT_set_fs_pwd);
	if (slot < 0)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	append_chdir_argument(slot);
	append_path(slot, (u64)BPF_CORE_READ(task, fs, pwd.dentry), (u64)BPF_CORE_READ(task, fs, pwd.mnt));
	return builder_send(slot);
}
