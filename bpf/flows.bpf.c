/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections, by the states of their sockets: the kernel counts what goes through them, and each has an end,
 * however it comes. Names of addresses are added in user space.
 */

#include "include/owner.h"
#include <bpf/bpf_endian.h>

#define SOCK_DONE (1 << 1) /* of enum sock_flags: the other side has sent its last */
#define ECONNRESET 104
#define EPIPE 32
#define ETIMEDOUT 110

static __always_inline u8 end_of(int state, int error)
{
	if (error == ECONNRESET || error == EPIPE)
		return FLOW_RESET;
	if (error == ETIMEDOUT)
		return FLOW_TIMED_OUT;
	if (error)
		return FLOW_FAILED;
	/* both sides have said that they are done, or the kernel waits for the other in our place */
	if (state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_LAST_ACK ||
	    state == BPF_TCP_CLOSING)
		return FLOW_CLOSED;
	return FLOW_ABORTED;
}

static __noinline int fill_flow(struct flow *flow, struct sock *sock)
{
	struct tcp_sock *tcp = (void *)sock;
	flow->family = BPF_CORE_READ(sock, __sk_common.skc_family);
	/* skc_num has been given back when a connection ends */
	flow->own_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sock, inet_sport));
	flow->other_port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
	if (flow->family == AF_INET6) {
		bpf_probe_read_kernel(flow->own, 16,
				      __builtin_preserve_access_index(&sock->__sk_common.skc_v6_rcv_saddr));
		bpf_probe_read_kernel(flow->other, 16,
				      __builtin_preserve_access_index(&sock->__sk_common.skc_v6_daddr));
	} else {
		u32 own = BPF_CORE_READ(sock, __sk_common.skc_rcv_saddr),
		    other = BPF_CORE_READ(sock, __sk_common.skc_daddr);
		__builtin_memcpy(flow->own, &own, 4);
		__builtin_memcpy(flow->other, &other, 4);
	}
	flow->sent = BPF_CORE_READ(tcp, bytes_sent);
	/* the end of the other side has a number, as a byte has */
	u64 received = BPF_CORE_READ(tcp, bytes_received),
	    finished = BPF_CORE_READ(sock, __sk_common.skc_flags) & SOCK_DONE;
	flow->received = received && finished ? received - 1 : received;
	flow->segments_out = BPF_CORE_READ(tcp, segs_out);
	flow->segments_in = BPF_CORE_READ(tcp, segs_in);
	flow->network_ns = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
	flow->error = BPF_CORE_READ(sock, sk_err);
	return 0;
}

static __noinline int flow_event(struct sock *sock, struct owner *owner, int state, u16 event)
{
	u32 bank = config.bank;
	u64 slots = slots_of_owner(owner, bank);
	if (!is_served(event) || !unless_riding(bank, slots & plan_of(bank)->wanted[event % MAX_EVENTS]) ||
	    is_left_out())
		return 0;
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(event);
		return 0;
	}
	fill_head(&builder->record, CONTROL_FLOW, owner, slots, bank);
	struct flow *flow = (void *)&builder->data[4];
	__builtin_memset(flow, 0, sizeof(*flow));
	fill_flow(flow, sock);
	flow->began = owner->began;
	flow->way = !owner->began ? 0 : owner->came_in ? PACKET_IN : PACKET_OUT;
	flow->ended = event == EVENT_net_flow_tcp_begin ? FLOW_BEGINS : end_of(state, flow->error);
	chunk_close(builder, 4, sizeof(*flow), 0);
	return send_counted(slot, event);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tracee_inet_sock_set_state, struct sock *sock, int from, int to)
{
	/* the others are steps on the way */
	bool asks = to == BPF_TCP_SYN_SENT, begins = to == BPF_TCP_ESTABLISHED, ends = to == BPF_TCP_CLOSE;
	bool had_begun = from != BPF_TCP_SYN_SENT && from != BPF_TCP_SYN_RECV && from != BPF_TCP_LISTEN &&
			 from != BPF_TCP_CLOSE && from != BPF_TCP_NEW_SYN_RECV;
	if (!asks && !begins && !(ends && had_begun))
		return 0;
	if (BPF_CORE_READ(sock, sk_protocol) != IPPROTO_TCP)
		return 0;
	struct owner *owner = bpf_sk_storage_get(&tracee_owners, sock, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!owner)
		return 0;
	if (asks) /* the task that connects is the current one */
		own_by_current(owner);
	if (begins) {
		owner->began = now();
		owner->came_in = from != BPF_TCP_SYN_SENT;
		flow_event(sock, owner, from, EVENT_net_flow_tcp_begin);
	}
	if (ends)
		flow_event(sock, owner, from, EVENT_net_flow_tcp_end);
	return 0;
}
