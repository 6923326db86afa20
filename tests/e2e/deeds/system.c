/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What concerns the whole system: mounts, sandboxes, the kernel, and calls without arguments. */
#include "deeds.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>

#define MOUNT "source:s target:s filesystemtype:s mountflags:U data:p"
#define KEY "type:s description:s"

/* In a child: it takes namespaces of its own. */
void mounts(void)
{
	char *point = in("mount"), text[512];
	uint64_t flags[4] = {1}, request[4] = {24, 0, 0}, root[4] = {24, -1, 0}, ids[8];
	CALL(unshare, "flags:U", CLONE_NEWNS | CLONE_NEWUTS);
	CALL(mount, MOUNT, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CALL(mkdir, "pathname:s mode:u", point, 0700);
	CALL(mount, MOUNT, "deeds\xff", point, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k");
	long tree = CALL(open_tree, "dfd:i filename:s flags:u", AT_FDCWD, point, 1);
	CALL(move_mount, "from_dfd:i from_path:s to_dfd:i to_path:s flags:u", tree, "", AT_FDCWD, point, 4);
	NUMBER(open_tree_attr, 467, "dirfd:F pathname:s flags:u uattr:p usize:U", dir, "mount", 1, flags, 32);
	CALL(mount_setattr, "dfd:i path:s flags:u uattr:p usize:U", AT_FDCWD, point, AT_RECURSIVE, flags, 32);
	NUMBER(statmount, 457, "req:p buf:p bufsize:U flags:u", request, text, sizeof(text), 0);
	NUMBER(listmount, 458, "req:p mnt_ids:p nr_mnt_ids:U flags:u", root, ids, 8, 0);
	long fs = CALL(fsopen, "fsname:s flags:u", "tmpfs", 1);
	CALL(fsconfig, "fs_fd:i cmd:u key:s value:p aux:i", fs, 1, "size", "64k", 0);
	CALL(fsconfig, "fs_fd:i cmd:u key:s value:p aux:i", fs, 6, NULL, NULL, 0);
	CALL(fsmount, "fsfd:i flags:u ms_flags:u", fs, 1, 8);
	CALL(fspick, "dirfd:F pathname:s flags:u", dir, "mount", 1);
	CALL(pivot_root, "new_root:s put_old:s", point, "/no/such");
	CALL(umount2, "target:s flags:i", point, MNT_DETACH);
	CALL(umount2, "target:s flags:i", point, UMOUNT_NOFOLLOW);
	CALL(umount2, "target:s flags:i", point, 0);
	CALL(rmdir, "pathname:s", point);
	CALL(sethostname, "name:b len:i", "deeds.example", 5);
	CALL(setdomainname, "name:b len:i", NULL, 5);
	CALL(setns, "fd:F nstype:i", dir, CLONE_NEWUTS);
	CALL(chroot, "path:s", scratch);
	CALL(chroot, "path:s", point);
}

/* In a child: a filter cannot be taken off again. */
void sandbox(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
	CALL(landlock_create_ruleset, "attr:p size:U flags:u", NULL, 0, 1);
	CALL(landlock_add_rule, "ruleset_fd:i rule_type:i rule_attr:p flags:u", -1, 1, code, 0);
	CALL(landlock_restrict_self, "ruleset_fd:i flags:u", -1, 0);
	CALL(prctl, "option:i arg2:U arg3:U arg4:U arg5:U", 38, 1, 0, 0, 0);
	CALL(seccomp, "operation:u flags:u args:p", SECCOMP_SET_MODE_FILTER, 0, &program);
	CALL(pause, "");
	CALL(setsid, "");
	CALL(vhangup, "");
}

void kernel(void)
{
	uint64_t attr[16] = {2 | 4ULL << 32, 4 | 1ULL << 32}; /* an array of one word */
	uint32_t size = sizeof(attr);
	struct sysinfo info;
	char text[512];
	unsigned cpu, node;
	CALL(uname, "buf:p", text);
	CALL(sysinfo, "info:p", &info);
	CALL(syslog, "type:i bufp:B len:i", 3, text, 64);
	CALL(syslog, "type:i bufp:B len:i", 77, text, 64);
	CALL(personality, "persona:u", 0xffffffff);
	NUMBER(sysctl, SYS__sysctl, "args:p", NULL);
	CALL(acct, "filename:s", "/no/such/file");
	CALL(reboot, "magic:i magic2:i cmd:u arg:p", -1, 2, 0x89abcdef, NULL);
	CALL(iopl, "level:u", 77);
	CALL(ioperm, "from:U num:U turn_on:i", 0xfffff, 1, 1);
	CALL(init_module, "module_image:p len:U param_values:s", NULL, 0, "a=1 b=\"2\"");
	CALL(finit_module, "fd:i param_values:s flags:i", -1, "", 77);
	CALL(delete_module, "name:s flags:u", "no_such_module", O_NONBLOCK);
	CALL(kexec_load, "entry:U nr_segments:U segments:p flags:U", 0, 77, NULL, 0xffff);
	CALL(kexec_file_load, "kernel_fd:i initrd_fd:i cmdline_len:U cmdline:s flags:U", -1, -1, 5, "quiet", 0xffff);
	CALL(swapon, "path:s swapflags:i", "/no/such/file", 0x8000);
	CALL(swapoff, "path:s", "/no/such/file");
	CALL(uselib, "library:s", "/no/such/lib");
	CALL(lookup_dcookie, "cookie:- buffer:S len:U", 1, text, sizeof(text));
	long key = CALL(add_key, KEY " payload:p plen:U keyring:i", "user", "deeds:note", "text", 4, -2);
	CALL(request_key, KEY " callout_info:s dest_keyring:i", "user", "deeds:note", NULL, 0);
	CALL(request_key, KEY " callout_info:s dest_keyring:i", "no type", "", "now", -1);
	CALL(keyctl, "operation:i arg2:U arg3:U arg4:U arg5:U", 3, key, 1, 2, 3);
	CALL(perf_event_open, "attr:p pid:i cpu:i group_fd:i flags:U", attr, -1, -1, -1, 77);
	CALL(getcpu, "cpu:p node:p tcache:p", &cpu, &node, NULL);
	shut(CALL(bpf, "cmd:i attr:p size:u", 0, attr, sizeof(attr)));
	CALL(bpf, "cmd:i attr:p size:u", 9999, attr, sizeof(attr));
	NUMBER(lsm_get_self_attr, 459, "attr:u ctx:p size:p flags:u", 100, text, &size, 0);
	NUMBER(lsm_set_self_attr, 460, "attr:u ctx:p size:u flags:u", 77, text, 8, 0);
	NUMBER(lsm_list_modules, 461, "ids:p size:p flags:u", text, &size, 0);
	NUMBER(listns, 470, "req:p ns_ids:p nr_ns_ids:U flags:u", NULL, NULL, 0, 0);
}

/*
 * Calls without arguments, many of them never made real. A number of the x32 interface is the same call by another
 * number; -1 is no call, and must not be taken for a return from a signal.
 */
void plain(void)
{
	static const struct {
		const char *event;
		long number;
	} calls[] = {{"getppid", SYS_getppid},
		     {"getuid", SYS_getuid},
		     {"geteuid", SYS_geteuid},
		     {"getgid", SYS_getgid},
		     {"getegid", SYS_getegid},
		     {"getpgrp", SYS_getpgrp},
		     {"gettid", SYS_gettid},
		     {"sched_yield", SYS_sched_yield},
		     {"munlockall", SYS_munlockall},
		     {"getpmsg", SYS_getpmsg},
		     {"putpmsg", SYS_putpmsg},
		     {"afs", SYS_afs_syscall},
		     {"tuxcall", SYS_tuxcall},
		     {"security", SYS_security},
		     {"vserver", SYS_vserver},
		     {"nfsservctl", SYS_nfsservctl},
		     {"create_module", SYS_create_module},
		     {"get_kernel_syms", SYS_get_kernel_syms},
		     {"query_module", SYS_query_module},
		     {"epoll_ctl_old", SYS_epoll_ctl_old},
		     {"epoll_wait_old", SYS_epoll_wait_old},
		     {"restart_syscall", SYS_restart_syscall},
		     {"uprobe", 336},
		     {"rseq_slice_yield", 471},
		     {"getppid", SYS_getppid | 0x40000000}};
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		act(calls[i].event, 0, calls[i].number, "", LONGS());
	shut(CALL(inotify_init, ""));
	native(-1, LONGS());
}
