/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's structures, as far as we read them. Only the fields named here are looked at; their offsets are
 * relocated when the object is loaded (CO-RE), so the order and the gaps do not matter.
 */
#pragma once

#include <linux/bpf.h>

#define __VMLINUX_H__ /* libbpf's headers: registers have the kernel's names here */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#include "constants.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
struct thread_info {
	unsigned long flags;
	u32 status;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate, orig_x0;
	s32 syscallno;
};
struct user_pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};
struct thread_info {
	unsigned long flags;
};
#endif

struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
	struct dentry *s_root;
	struct file_system_type *s_type;
	struct list_head s_mounts;
};
struct super_block___v6_17 {
	struct mount *s_mounts;
};

struct inode {
	u16 i_mode;
	u32 i_rdev;
	unsigned long i_ino;
	struct super_block *i_sb;
	const char *i_link;                        /* a symbolic link's text, where it is kept with the inode */
	s64 i_atime_sec, i_mtime_sec, i_ctime_sec; /* 6.11 and later */
	u32 i_atime_nsec, i_mtime_nsec, i_ctime_nsec;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};
struct inode___v6_6 { /* 6.6 to 6.10; the other two from 6.7 on */
	struct timespec64 __i_ctime, __i_atime, __i_mtime;
};
struct inode___v5 { /* before 6.6 */
	struct timespec64 i_ctime, i_atime, i_mtime;
};

struct qstr {
	u32 len;
	u64 hash_len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node *next;
	struct hlist_bl_node **pprev;
};

enum dentry_flags___v6_15 { DCACHE_MOUNTED___v6_15 = 1 << 15 };
#define DCACHE_MOUNTED_OR_MORE (3 << 15) /* in kernels that do not tell: bit 15, or 16 */
#define DCACHE_OP_HASH 1

struct dentry {
	unsigned int d_flags;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	struct hlist_node d_sib; /* 6.8 and later */
	struct hlist_head d_children;
};
struct dentry___v6_7 {
	struct list_head d_child, d_subdirs;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct mnt_namespace;
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct list_head mnt_mounts, mnt_child;
	struct list_head mnt_instance;
	struct mnt_namespace *mnt_ns;
};
struct mount___v6_17 { /* instead of mnt_instance */
	struct mount *mnt_next_for_sb;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags, f_mode;
	const struct file_operations *f_op;
	void *private_data;
	s64 f_pos;
};

struct pipe_buffer {
	unsigned int flags;
};
struct pipe_inode_info {
	unsigned int head, ring_size;
	struct pipe_buffer *bufs;
};

struct in6_addr {
	u8 bytes[16]; /* a union in the kernel: only its size matters */
};
struct net;
typedef struct {
	struct net *net;
} possible_net_t;
struct sock_common {
	u16 skc_family, skc_num; /* the port on this side, as the host counts */
	u16 skc_dport;           /* on the other side, as the network does */
	u32 skc_rcv_saddr, skc_daddr;
	struct in6_addr skc_v6_rcv_saddr, skc_v6_daddr;
	possible_net_t skc_net;
	unsigned long skc_flags;
};
typedef struct {
	int owned; /* a task holds the socket */
} socket_lock_t;
struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct socket *sk_socket;
	u16 sk_protocol;
	int sk_err;
};
struct socket {
	s16 type;
	struct file *file;
	struct sock *sk;
};
struct sockaddr_un {
	u16 sun_family;
};
struct unix_address {
	int len;
	struct sockaddr_un name[0];
};
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root, pwd;
};

struct mm_struct {
	unsigned long start_code, end_code, start_data, end_data, start_brk, brk, start_stack, saved_auxv[1];
	unsigned long arg_start, arg_end, env_start, env_end;
	struct file *exe_file;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags;
	const void *vm_ops;
	struct file *vm_file;
};
struct rb_node {
	struct rb_node *rb_right, *rb_left;
};
struct rb_root {
	struct rb_node *rb_node;
};
struct mm_struct___v6_0 {
	struct rb_root mm_rb;
};
struct vm_area_struct___v6_0 {
	unsigned long vm_start, vm_end;
	struct rb_node vm_rb;
};

struct ns_common {
	unsigned int inum;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct pid_namespace {
	struct ns_common ns;
	struct task_struct *child_reaper;
};
#define HOST_NAME_LEN 64
struct new_utsname {
	char nodename[HOST_NAME_LEN + 1];
};
struct uts_namespace {
	struct new_utsname name;
	struct ns_common ns;
};
struct ipc_namespace {
	struct ns_common ns;
};
struct net {
	struct ns_common ns;
};
struct cgroup_namespace {
	struct ns_common ns;
};
struct user_namespace {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
};

struct kernfs_node {
	u64 id;
};
struct cgroup_root {
	int hierarchy_id;
};
struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
};
struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};
enum cgroup_subsys_id { cpuset_cgrp_id = 0x7001, memory_cgrp_id, pids_cgrp_id }; /* the kernel has others */

struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[1];
};

typedef struct {
	u32 val;
} kuid_t;
typedef struct {
	u32 val;
} kgid_t;
struct kernel_cap_struct {
	u64 val;
};
struct cred {
	kuid_t uid, suid, euid, fsuid;
	kgid_t gid, sgid, egid, fsgid;
	unsigned int securebits;
	struct kernel_cap_struct cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	struct user_namespace *user_ns;
};

typedef struct {
	int counter;
} atomic_t;
#define SIGNAL_GROUP_EXIT 4
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
	unsigned int is_child_subreaper : 1, has_child_subreaper : 1;
};

struct bpf_map {
	u32 id;
	char name[16];
};
struct bpf_prog_aux {
	u32 id;
	char name[16];
};
struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
};

struct sigset {
	unsigned long sig[1];
};
struct kernel_sigaction {
	void *sa_handler;
	unsigned long sa_flags;
	struct sigset sa_mask;
};
struct k_sigaction {
	struct kernel_sigaction sa;
};
struct sighand_struct {
	struct k_sigaction action[64];
};
struct rlimit {
	unsigned long rlim_cur, rlim_max;
};

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
};
#else
struct thread_struct {
	unsigned long fault_address;
};
#endif

struct vm_struct {
	unsigned long size;
};
struct task_struct {
	struct thread_info thread_info;
	struct thread_struct thread;
	unsigned int flags;
	unsigned int ptrace;
	struct mm_struct *mm;
	void *stack;
	struct vm_struct *stack_vm_area;
	unsigned int kasan_depth;
	int exit_state, exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	const struct cred *cred, *real_cred;
	char comm[TASK_COMM_LEN];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	u64 self_exec_id;
	unsigned long sas_ss_sp, sas_ss_size; /* the signal stack */
	unsigned int sas_ss_flags;
};

struct linux_binprm {
	struct file *file;
	const char *filename;                /* what was asked for; /dev/fd/N... for execveat */
	const char *interp;                  /* the script's interpreter, or filename again */
	const char *fdpath;                  /* is filename made up by the kernel from a descriptor? */
	unsigned int point_of_no_return : 1; /* the old program is gone, or about to be */
};
struct subprocess_info {
	const char *path;
	const char **argv, **envp;
};

struct netlink_sock {
	u32 portid;
	unsigned long *groups;
};
struct packet_sock {
	int ifindex;
	u16 num;
};
struct sockaddr_vm {
	unsigned int svm_port, svm_cid;
};
struct vsock_sock {
	struct sockaddr_vm local_addr;
};

struct io_uring_sqe {
	u8 opcode;
	u32 cmd_op, level, optname;
	u64 addr, user_data;
};
struct io_cqe {
	u64 user_data;
	s32 res;
	int fd; /* of a request that has not begun */
};
struct io_rsrc_node {
	unsigned long file_ptr;
};
struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};
struct io_fixed_file {
	unsigned long file_ptr;
};
struct io_file_table {
	struct io_rsrc_data data; /* 6.13 and later */
};
struct io_file_table___v6_12 {
	struct io_fixed_file *files;
};
struct io_ring_ctx {
	unsigned int flags;
	unsigned int compat : 1;
	u32 *sq_array; /* NULL: entries are taken as they stand */
	struct io_uring_sqe *sq_sqes;
	unsigned int cached_sq_head, sq_entries;
	struct io_file_table file_table;
};
struct io_ring_ctx___v6_12 {
	struct io_file_table___v6_12 file_table;
	unsigned int nr_user_files;
};
struct io_ring_ctx___v7_0 {
	unsigned int int_flags; /* where `compat` was a bit of its own */
};
struct io_kiocb {
	struct file *file;
	u8 opcode;
	u32 flags; /* the lower half, from 6.8 on */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
};
/* A request begins with what its kind takes. */
struct io_socket {
	int domain, type, protocol;
};
struct io_connect {
	void *addr;
	int addr_len;
};
struct io_bind {
	int addr_len;
};
struct io_listen {
	int backlog;
};
struct io_uring_cmd {
	const struct io_uring_sqe *sqe;
};
struct filename {
	const char *name;
};
struct open_how {
	u64 flags;
};
struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};
struct io_unlink {
	int dfd, flags;
	struct filename *filename;
};
struct io_rename {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
};
struct io_link {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
	int flags;
};
struct io_ftrunc {
	s64 len;
};
struct kiocb {
	s64 ki_pos;
};
struct io_rw {
	struct kiocb kiocb;
	u64 addr;
	u32 len;
};
struct kobject {
	const char *name;
	struct list_head entry;
};
struct kset {
	struct list_head list;
};

struct module {
	u32 state;
	struct list_head list;
	char name[56];
	const char *version, *srcversion;
};
struct module_kobject {
	struct kobject kobj;
	struct module *mod;
};
struct latch_tree_node {
	u64 node[2];
};
struct mod_tree_node {
	struct module *mod;
	struct latch_tree_node node;
};

struct kprobe {
	const char *symbol_name;
	void *addr, *pre_handler, *post_handler;
};

struct device {
	struct kobject kobj;
	struct device *parent;
};

struct seq_operations {
	void *start, *stop, *next, *show;
};
struct file_operations {
	void *llseek, *read, *read_iter, *iterate, *iterate_shared, *open, *release, *unlocked_ioctl;
};
struct proc_dir_entry {
	const struct seq_operations *seq_ops;
};
struct proc_inode {
	struct proc_dir_entry *pde;
	struct inode vfs_inode;
};

#pragma clang attribute pop
