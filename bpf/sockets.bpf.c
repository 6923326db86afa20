/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets made, named, connected and listened on. */

#include "include/event.h"
#include "include/hook.h"
#include <bpf/bpf_endian.h>

/* ---- addresses ---- */

#define ADDRESS_ROOM 128

/* Opens a chunk for an address; a pointer to its bytes, which are zero. */
static __always_inline u8 *address_open(u32 slot, u32 *start)
{
	struct builder *builder = builder_at(slot);
	*start = builder ? chunk_open(builder) : 0;
	u32 at = *start;
	if (!at || at > DATA_MAX)
		return NULL;
	__builtin_memset(&builder->data[at], 0, ADDRESS_ROOM);
	return &builder->data[at];
}

static __always_inline void address_close(u32 slot, u32 start, u32 length)
{
	struct builder *builder = builder_at(slot);
	if (builder && start <= DATA_MAX)
		chunk_close(builder, start, length, 0);
}

/* A name in the file system, or an abstract one. */
static __noinline u32 read_unix_address(u8 *to, struct sock *sock)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sock, addr);
	u32 length = address ? BPF_CORE_READ(address, len) : 0;
	if (length > ADDRESS_ROOM)
		length = ADDRESS_ROOM;
	if (length)
		bpf_probe_read_kernel(to, length, (void *)address + bpf_core_field_offset(struct unix_address, name));
	return length > 2 ? length : 2;
}

/* Of netlink, packet and vsock sockets. The kernel may lack these, or have them in a module without types. */
static __noinline u32 read_other_address(u8 *to, struct sock *sock, u32 family)
{
	struct netlink_sock *netlink = (void *)sock;
	struct packet_sock *packet = (void *)sock;
	if (family == AF_NETLINK && bpf_core_type_exists(struct netlink_sock)) {
		u32 port = BPF_CORE_READ(netlink, portid), groups = 0;
		bpf_probe_read_kernel(&groups, sizeof(groups), BPF_CORE_READ(netlink, groups));
		__builtin_memcpy(to + 4, &port, 4);
		__builtin_memcpy(to + 8, &groups, 4);
		return 12;
	}
	if (family == AF_PACKET && bpf_core_type_exists(struct packet_sock)) {
		u16 protocol = BPF_CORE_READ(packet, num);
		u32 interface = BPF_CORE_READ(packet, ifindex);
		__builtin_memcpy(to + 2, &protocol, 2);
		__builtin_memcpy(to + 4, &interface, 4);
		return 20;
	}
	if (family == AF_VSOCK && bpf_core_type_exists(struct vsock_sock)) {
		struct vsock_sock *vsock = (void *)sock;
		u32 port = BPF_CORE_READ(vsock, local_addr.svm_port), cid = BPF_CORE_READ(vsock, local_addr.svm_cid);
		__builtin_memcpy(to + 4, &port, 4);
		__builtin_memcpy(to + 8, &cid, 4);
		return 16;
	}
	return 2;
}

/* Appends the address that a socket has on this side, as getsockname gives it. */
__noinline int append_local_address(u32 slot, u64 address)
{
	struct sock *sock = (void *)address;
	u32 start, length = 2;
	u8 *to = address_open(slot, &start);
	if (!to)
		return 0;
	u16 family = BPF_CORE_READ(sock, __sk_common.skc_family);
	u16 port = bpf_htons(BPF_CORE_READ(sock, __sk_common.skc_num));
	if (family == AF_INET) {
		u32 own = BPF_CORE_READ(sock, __sk_common.skc_rcv_saddr);
		__builtin_memcpy(to + 2, &port, 2);
		__builtin_memcpy(to + 4, &own, 4);
		length = 16;
	} else if (family == AF_INET6) {
		__builtin_memcpy(to + 2, &port, 2);
		bpf_probe_read_kernel(to + 8, 16, __builtin_preserve_access_index(&sock->__sk_common.skc_v6_rcv_saddr));
		length = 28;
	} else if (family == AF_UNIX) {
		length = read_unix_address(to, sock);
	} else {
		length = read_other_address(to, sock, family);
	}
	__builtin_memcpy(to, &family, 2);
	address_close(slot, start, length);
	return 0;
}

/* An address that a caller passed, read by the kernel already or still in user memory. */
struct passed_address {
	u64 address;
	u32 length, in_kernel;
};

static __always_inline long read_passed(void *to, u32 length, struct passed_address *from)
{
	return from->in_kernel ? bpf_probe_read_kernel(to, length, (void *)from->address)
			       : bpf_probe_read_user(to, length, (void *)from->address);
}

static __noinline int append_passed_address(u32 slot, struct passed_address *from)
{
	u32 start, length = from->length;
	u8 *to = address_open(slot, &start);
	if (!to)
		return 0;
	if (length > ADDRESS_ROOM)
		length = ADDRESS_ROOM;
	if (length < 2 || read_passed(to, length, from)) {
		append_unknown(slot);
		return 0;
	}
	address_close(slot, start, length);
	return 0;
}

/* The port, of an address that has one. */
static __noinline int append_passed_port(u32 slot, struct passed_address *from)
{
	u16 head[2] = {};
	if (from->length < 4 || read_passed(head, sizeof(head), from) || (head[0] != AF_INET && head[0] != AF_INET6)) {
		append_unknown(slot);
		return 0;
	}
	return append_number(slot, bpf_ntohs(head[1]));
}

static __noinline int append_local_port(u32 slot, struct sock *sock)
{
	u16 family = BPF_CORE_READ(sock, __sk_common.skc_family);
	if (family == AF_INET || family == AF_INET6)
		return append_number(slot, BPF_CORE_READ(sock, __sk_common.skc_num));
	append_unknown(slot);
	return 0;
}

/* ---- which socket ---- */

/* The socket that a file is, or NULL. */
static __noinline struct socket *socket_of_file(struct file *file)
{
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return (void *)BPF_CORE_READ(file, private_data);
}

/* The socket of a descriptor, or NULL. */
static __always_inline struct socket *socket_of(s32 fd)
{
	return socket_of_file(file_of(fd));
}

/* The arguments of a call on sockets, of socketcall too, and which of SYS_... it is; 0: it is none. */
static __noinline u32 read_socket_call(struct pt_regs *regs, struct call *call)
{
	if (!read_call(regs, call) || call->group != GROUP_sockets)
		return 0;
	switch (call->event) {
	case EVENT_socket:
	case EVENT_socketpair:
		return SYS_SOCKET;
	case EVENT_bind:
		return SYS_BIND;
	case EVENT_connect:
		return SYS_CONNECT;
	case EVENT_listen:
		return SYS_LISTEN;
	case EVENT_accept:
	case EVENT_accept4:
		return SYS_ACCEPT;
	case EVENT_setsockopt:
		return SYS_SETSOCKOPT;
	}
	u32 which = call->args[0], values[6] = {};
	bpf_probe_read_user(values, sizeof(values), (void *)call->args[1]);
	for (u32 i = 0; i < 6; i++)
		call->args[i] = values[i];
	if (which == SYS_ACCEPT4)
		return SYS_ACCEPT;
	return which == SYS_SOCKETPAIR ? SYS_SOCKET : which;
}

/* Instead of a descriptor: the one that the task has called with; none, where a file is registered with a ring. */
#define OF_CALL (1LL << 32)
#define NO_DESCRIPTOR (2LL << 32)

/* Unknown where the task is in no such call. */
static __noinline int append_descriptor(u32 slot, s64 fd)
{
	struct call call = {};
	if (fd < OF_CALL)
		return append_number(slot, fd);
	if (fd == OF_CALL && read_socket_call(current_registers(), &call))
		return append_number(slot, (s64)(s32)call.args[0]);
	append_unknown(slot);
	return 0;
}

/* ---- events ---- */

static __noinline int create_event(u32 family, u32 type, u32 protocol, u32 kern)
{
	s32 slot = begin_event(EVENT_security_socket_create);
	if (slot < 0)
		return 0;
	append_number(slot, family);
	append_number(slot, type);
	append_number(slot, protocol);
	append_number(slot, kern);
	return builder_send(slot);
}

AT_SECURITY(socket_create, int family, int type, int protocol, int kern)
{
	return create_event(family, type, protocol, kern);
}

/* For net_tcp_connect the network namespace goes along, where no argument is. */
static __noinline int append_socket_type(u32 slot, struct socket *socket)
{
	struct builder *builder = builder_at(slot);
	if (builder)
		builder->record.args[0] = BPF_CORE_READ(socket, sk, __sk_common.skc_net.net, ns.inum);
	return append_number(slot, BPF_CORE_READ(socket, type));
}

static __noinline int named_event(u16 event, struct socket *socket, struct passed_address *address, s64 fd)
{
	s32 slot = begin_event(event);
	if (slot < 0)
		return 0;
	append_descriptor(slot, fd);
	if (event == EVENT_security_socket_connect)
		append_socket_type(slot, socket);
	append_passed_address(slot, address);
	append_passed_port(slot, address);
	return builder_send(slot);
}

AT_SECURITY(socket_connect, struct socket *socket, u64 address, int length)
{
	struct passed_address passed = {address, length, true};
	return named_event(EVENT_security_socket_connect, socket, &passed, OF_CALL);
}

AT_SECURITY(socket_bind, struct socket *socket, u64 address, int length)
{
	struct passed_address passed = {address, length, true};
	return named_event(EVENT_security_socket_bind, socket, &passed, OF_CALL);
}

static __noinline int listen_event(struct socket *socket, int backlog, s64 fd)
{
	s32 slot = begin_event(EVENT_security_socket_listen);
	if (slot < 0)
		return 0;
	struct sock *sock = BPF_CORE_READ(socket, sk);
	append_descriptor(slot, fd);
	append_local_address(slot, (u64)sock);
	append_number(slot, (s64)backlog);
	append_local_port(slot, sock);
	return builder_send(slot);
}

AT_SECURITY(socket_listen, struct socket *socket, int backlog)
{
	return listen_event(socket, backlog, OF_CALL);
}

static __noinline int accept_event(struct socket *socket, s64 fd)
{
	s32 slot = begin_event(EVENT_security_socket_accept);
	if (slot < 0)
		return 0;
	struct sock *sock = BPF_CORE_READ(socket, sk);
	append_descriptor(slot, fd);
	append_local_address(slot, (u64)sock);
	append_local_port(slot, sock);
	return builder_send(slot);
}

AT_SECURITY(socket_accept, struct socket *socket, struct socket *accepted)
{
	return accept_event(socket, OF_CALL);
}

static __noinline int option_event(struct socket *socket, int level, int name, s64 fd)
{
	s32 slot = begin_event(EVENT_security_socket_setsockopt);
	if (slot < 0)
		return 0;
	append_descriptor(slot, fd);
	append_number(slot, (s64)level);
	append_number(slot, (s64)name);
	append_local_address(slot, (u64)BPF_CORE_READ(socket, sk));
	return builder_send(slot);
}

AT_SECURITY(socket_setsockopt, struct socket *socket, int level, int name)
{
	return option_event(socket, level, name, OF_CALL);
}

/* ---- from system calls ---- */

static __always_inline bool is_told_from_calls(u32 which)
{
	switch (which) {
	case SYS_SOCKET:
		return by_lesser_way(EVENT_security_socket_create);
	case SYS_BIND:
		return by_lesser_way(EVENT_security_socket_bind);
	case SYS_CONNECT:
		return by_lesser_way(EVENT_security_socket_connect);
	case SYS_LISTEN:
		return by_lesser_way(EVENT_security_socket_listen);
	case SYS_ACCEPT:
		return by_lesser_way(EVENT_security_socket_accept);
	case SYS_SETSOCKOPT:
		return by_lesser_way(EVENT_security_socket_setsockopt);
	}
	return false;
}

/* accept waits for a peer: it is told when it begins */
BEFORE_CALLS(sockets)
{
	struct call call = {};
	if (read_socket_call(regs, &call) != SYS_ACCEPT || !is_told_from_calls(SYS_ACCEPT))
		return 0;
	struct socket *socket = socket_of(call.args[0]);
	return socket ? accept_event(socket, OF_CALL) : 0;
}

AFTER_CALLS(sockets)
{
	struct call call = {};
	u32 which = read_socket_call(regs, &call);
	if (!is_told_from_calls(which))
		return 0;
	if (which == SYS_SOCKET)
		return result < 0 ? 0 : create_event(call.args[0], call.args[1] & SOCK_TYPE_MASK, call.args[2], 0);
	struct socket *socket = socket_of(call.args[0]);
	if (!socket || result == -EFAULT)
		return 0;
	struct passed_address passed = {call.args[1], call.args[2], false};
	if (which == SYS_CONNECT)
		return named_event(EVENT_security_socket_connect, socket, &passed, OF_CALL);
	if (which == SYS_BIND)
		return named_event(EVENT_security_socket_bind, socket, &passed, OF_CALL);
	if (which == SYS_LISTEN)
		return listen_event(socket, call.args[1], OF_CALL);
	if (which == SYS_SETSOCKOPT)
		return option_event(socket, call.args[1], call.args[2], OF_CALL);
	return 0;
}
