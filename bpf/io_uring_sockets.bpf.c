/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests of io_uring on sockets. Looked at when they have been prepared: what they were passed has been read, and
 * nothing has been done.
 */

#include "include/request.h"
#include "include/hook.h"

/* of the kernel's interface, so the same on all kernels */
enum {
	OP_ACCEPT = 13,
	OP_CONNECT = 16,
	OP_SOCKET = 45,
	OP_COMMAND = 46,
	OP_BIND = 56,
	OP_LISTEN = 57,
};
#define COMMAND_SETSOCKOPT 3
#define RING_LONG_ENTRIES (1 << 10)

/* The entry of the submission queue that the kernel took last. */
static __noinline struct io_uring_sqe *last_entry(struct io_ring_ctx *ring)
{
	u32 index = (BPF_CORE_READ(ring, cached_sq_head) - 1) & (BPF_CORE_READ(ring, sq_entries) - 1);
	u32 *order = BPF_CORE_READ(ring, sq_array);
	if (order && bpf_probe_read_kernel(&index, sizeof(index), order + index))
		return NULL;
	u32 size = BPF_CORE_READ(ring, flags) & RING_LONG_ENTRIES ? 128 : 64;
	return (void *)BPF_CORE_READ(ring, sq_sqes) + index * size;
}

/*
 * The address in the caller's memory: where the kernel's copy of it stands is another place on many kernels, and their
 * types do not tell. Of bind it is in the queue alone.
 */
static __noinline int request_address(struct io_kiocb *request, u8 opcode, struct passed_address *passed)
{
	if (opcode == OP_CONNECT) {
		struct io_connect *connect = (void *)request;
		passed->address = (u64)BPF_CORE_READ(connect, addr);
		passed->length = BPF_CORE_READ(connect, addr_len);
		return 0;
	}
	struct io_uring_sqe *entry = last_entry(BPF_CORE_READ(request, ctx));
	if (entry && BPF_CORE_READ(entry, user_data) == BPF_CORE_READ(request, cqe.user_data) &&
	    BPF_CORE_READ(entry, opcode) == opcode) {
		passed->address = BPF_CORE_READ(entry, addr);
		passed->length = BPF_CORE_READ((struct io_bind *)request, addr_len);
	}
	return 0;
}

/* Inline, as what follows: calls may be nested eight deep, and an event takes seven. */
static __always_inline int make_socket_request(struct io_kiocb *request)
{
	struct io_socket *socket = (void *)request;
	return create_event(BPF_CORE_READ(socket, domain), BPF_CORE_READ(socket, type) & SOCK_TYPE_MASK,
			    BPF_CORE_READ(socket, protocol), 0);
}

static __always_inline int command_request(struct io_kiocb *request, struct socket *socket, s64 fd)
{
	const struct io_uring_sqe *asked = BPF_CORE_READ((struct io_uring_cmd *)request, sqe);
	if (BPF_CORE_READ(asked, cmd_op) != COMMAND_SETSOCKOPT)
		return 0;
	return option_event(socket, BPF_CORE_READ(asked, level), BPF_CORE_READ(asked, optname), fd);
}

static __always_inline int socket_request(struct io_kiocb *request, u8 opcode)
{
	bool registered = BPF_CORE_READ(request, flags) & REQUEST_REGISTERED_FILE;
	s64 fd = registered ? NO_DESCRIPTOR : BPF_CORE_READ(request, cqe.fd);
	struct socket *socket = socket_of_file(file_of_request(request));
	if (!socket)
		return 0;
	struct passed_address passed = {};
	switch (opcode) {
	case OP_ACCEPT:
		return accept_event(socket, fd);
	case OP_LISTEN:
		return listen_event(socket, BPF_CORE_READ((struct io_listen *)request, backlog), fd);
	case OP_COMMAND:
		return command_request(request, socket, fd);
	case OP_CONNECT:
		request_address(request, opcode, &passed);
		return named_event(EVENT_security_socket_connect, socket, &passed, fd);
	case OP_BIND:
		request_address(request, opcode, &passed);
		return named_event(EVENT_security_socket_bind, socket, &passed, fd);
	}
	return 0;
}

/* The system call that does the same. */
static __always_inline u32 socket_call_like(u8 opcode)
{
	switch (opcode) {
	case OP_SOCKET:
		return SYS_SOCKET;
	case OP_ACCEPT:
		return SYS_ACCEPT;
	case OP_CONNECT:
		return SYS_CONNECT;
	case OP_COMMAND:
		return SYS_SETSOCKOPT;
	case OP_BIND:
		return SYS_BIND;
	case OP_LISTEN:
		return SYS_LISTEN;
	}
	return 0;
}

/* What a request that has just been prepared will do to sockets; io_uring.bpf.c asks. */
static __always_inline int requested_of_sockets(struct io_kiocb *request, u8 opcode)
{
	if (!is_told_from_calls(socket_call_like(opcode)))
		return 0;
	return opcode == OP_SOCKET ? make_socket_request(request) : socket_request(request, opcode);
}
