/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hard links: other names of files. */

#include "include/lookup.h"
#include "include/hook.h"

AT_SECURITY(inode_link, struct dentry *old, struct inode *folder, struct dentry *new)
{
	s32 slot = begin_event(EVENT_security_inode_link);
	if (slot < 0)
		return 0;
	append_dentry_path(slot, old);
	append_dentry_path(slot, new);
	append_inode_number(slot, BPF_CORE_READ(old, d_inode));
	return builder_send(slot);
}

/* linkat may be given a descriptor alone, with a path of no characters. */
static __always_inline bool links_descriptor(struct call *call)
{
	u8 first = 1;
	if (call->event != EVENT_linkat || !(call->args[4] & AT_EMPTY_PATH))
		return false;
	return !bpf_probe_read_user(&first, 1, (void *)asked_address(call, 0)) && !first;
}

static __noinline int append_linked_path(u32 slot, struct call *call)
{
	if (links_descriptor(call))
		return append_fd_path(slot, asked_dirfd(call, 0));
	bool follows = call->event == EVENT_linkat && call->args[4] & AT_SYMLINK_FOLLOW;
	look_up_argument(slot, call, 0, follows ? 0 : LOOKUP_NOFOLLOW);
	return append_found_argument(slot, call, 0);
}

AFTER_CALLS(link)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_security_inode_link);
	if (slot < 0)
		return 0;
	append_linked_path(slot, &call);
	look_up_argument(slot, &call, 1, LOOKUP_NOFOLLOW);
	append_found_argument(slot, &call, 1);
	append_inode_number(slot, found_inode(slot));
	return builder_send(slot);
}
