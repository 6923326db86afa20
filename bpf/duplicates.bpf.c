/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Descriptors of sockets that are duplicated: how a shell comes to read from a connection. */

#include "include/event.h"
#include "include/hook.h"

/* Appends the address of a socket's peer, as getpeername gives it: zeros where there is none. */
static __noinline int append_remote_address(u32 slot, struct sock *sock)
{
	u32 start, length = 2;
	u8 *to = address_open(slot, &start);
	if (!to)
		return 0;
	u16 family = BPF_CORE_READ(sock, __sk_common.skc_family);
	u16 port = BPF_CORE_READ(sock, __sk_common.skc_dport);
	if (family == AF_INET) {
		u32 remote = BPF_CORE_READ(sock, __sk_common.skc_daddr);
		__builtin_memcpy(to + 2, &port, 2);
		__builtin_memcpy(to + 4, &remote, 4);
		length = 16;
	} else if (family == AF_INET6) {
		__builtin_memcpy(to + 2, &port, 2);
		bpf_probe_read_kernel(to + 8, 16, __builtin_preserve_access_index(&sock->__sk_common.skc_v6_daddr));
		length = 28;
	} else if (family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sock, peer);
		if (peer)
			length = read_unix_address(to, peer);
	}
	__builtin_memcpy(to, &family, 2);
	address_close(slot, start, length);
	return 0;
}

static __noinline int append_remote_port(u32 slot, struct sock *sock)
{
	u16 family = BPF_CORE_READ(sock, __sk_common.skc_family);
	if (family == AF_INET || family == AF_INET6)
		return append_number(slot, bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport)));
	append_unknown(slot);
	return 0;
}

/* fcntl does much else; dup2 of a descriptor onto itself does nothing. */
static __always_inline bool duplicates(struct call *call, s64 result)
{
	if (call->event == EVENT_fcntl || call->event == EVENT_fcntl64)
		return (u32)call->args[1] == F_DUPFD || (u32)call->args[1] == F_DUPFD_CLOEXEC;
	return (s32)call->args[0] != (s32)result;
}

AFTER_CALLS(dup)
{
	struct call call = {};
	if (result < 0 || !is_watched(EVENT_socket_dup) || !read_call(regs, &call) || !duplicates(&call, result))
		return 0;
	struct socket *socket = socket_of(result);
	s32 slot = socket ? begin_event(EVENT_socket_dup) : -1;
	if (slot < 0)
		return 0;
	struct sock *sock = BPF_CORE_READ(socket, sk);
	append_number(slot, (s64)(s32)call.args[0]);
	append_number(slot, result);
	append_remote_address(slot, sock);
	append_remote_port(slot, sock);
	return builder_send(slot);
}
