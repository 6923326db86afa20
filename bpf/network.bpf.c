/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets, as they pass a socket on the way in or out. What a packet is comes first, and then whose: of most nobody
 * wants to know. User space takes them apart: crates/core/src/network.
 */

#include "include/hook.h"
#include "include/owner.h"
#include <bpf/bpf_endian.h>

enum packet_direction { PACKET_IN = 1, PACKET_OUT = 2 };

#define IP_HEAD 20
#define IPV6_HEAD 40
#define PORTS_HEAD 20     /* of TCP; UDP has less */
#define HEADERS_MAX 256   /* bytes that go with an event that tells of headers alone */
#define PACKET_MAX 65535  /* bytes taken of any packet */
#define MESSAGE_MAX 65536 /* bytes that are taken after the first segment of a message */
#define EXTENSIONS_MAX 8  /* of IPv6 */
#define IP_OFFSET 0x1fff

/* Bit n of `wanted` in a packet's record, and Wanted::EVENTS of crates/core/src/network/mod.rs. */
#define PACKET_EVENTS(each)                                                                                         \
	each(0, net_packet_raw) each(1, net_packet_ipv4) each(2, net_packet_ipv6) each(3, net_packet_tcp)           \
		each(4, net_packet_udp) each(5, net_packet_icmp) each(6, net_packet_icmpv6) each(7, net_packet_dns) \
			each(8, net_packet_dns_request) each(9, net_packet_dns_response) each(10, net_packet_http)  \
				each(11, net_packet_http_request) each(12, net_packet_http_response)
#define PACKET_BIT(bit, event) WANTED_##event = 1 << bit,
enum packet_events { PACKET_EVENTS(PACKET_BIT) };
#define OF_DNS (WANTED_net_packet_dns | WANTED_net_packet_dns_request | WANTED_net_packet_dns_response)
#define OF_HTTP (WANTED_net_packet_http | WANTED_net_packet_http_request | WANTED_net_packet_http_response)

/* What is known of a packet by its headers. */
struct packet {
	u32 kinds;   /* enum packet_events: what it is */
	u32 payload; /* where TCP's begins; 0: there is none */
	u16 from, to;
	u8 protocol, of_dns;
};

/*
 * Those of the packet's events that a slot wants. What no policy selects is not even looked up. A global function, as
 * the next: whoever calls it is not verified anew for each of its results.
 */
__noinline u32 wanted_of(u32 kinds, u64 slots, u32 bank)
{
	struct plan *plan = plan_of(bank);
	u32 wanted = 0;
	u64 deciding = slots & ~plan->riding;
#define PACKET_WANTED(bit, event)                                                                         \
	if (is_served(EVENT_##event) && kinds & WANTED_##event && plan->wanted[EVENT_##event] & deciding) \
		wanted |= WANTED_##event;
	PACKET_EVENTS(PACKET_WANTED)
	return wanted;
}

/* The event that a packet's loss is counted as: the one that says most of it. */
__noinline u32 loss_of(u32 wanted)
{
	u32 found = EVENT_net_packet_dns;
#define PACKET_LOST(bit, event)      \
	if (wanted & WANTED_##event) \
		found = EVENT_##event;
	PACKET_EVENTS(PACKET_LOST)
	return found;
}

/* Whether names of addresses are asked for: then all answers of DNS are of interest, whoever asked. */
static __always_inline bool names_are_wanted(void)
{
	return is_served(EVENT_net_flow_tcp_begin) || is_served(EVENT_net_flow_tcp_end) ||
	       is_served(EVENT_net_tcp_connect) || is_served(EVENT_net_packet_ipv4) ||
	       is_served(EVENT_net_packet_ipv6) || is_served(EVENT_net_packet_tcp) || is_served(EVENT_net_packet_udp) ||
	       is_served(EVENT_net_packet_icmp) || is_served(EVENT_net_packet_icmpv6) ||
	       is_served(EVENT_net_packet_http);
}

static __always_inline bool http_is_served(void)
{
	return is_served(EVENT_net_packet_http) || is_served(EVENT_net_packet_http_request) ||
	       is_served(EVENT_net_packet_http_response);
}

/* Whether nothing is asked for but DNS: then most packets are known not to be wanted by their sockets alone. */
static __always_inline bool dns_is_all(void)
{
	return !names_are_wanted() && !http_is_served() && !is_served(EVENT_net_packet_raw);
}

/* Where DNS is spoken: with servers, by mDNS, by LLMNR. */
static __always_inline bool is_dns_port(u16 port)
{
	return port == 53 || port == 5353 || port == 5355;
}

/* ---- what it is ---- */

struct extensions {
	struct __sk_buff *skb;
	u32 at;
	u8 protocol, whole;
};

/* IPv6: past the headers that stand before the one of the transport. */
static __always_inline void skip_extensions(struct extensions *walk)
{
	for (u32 i = 0; i < EXTENSIONS_MAX; i++) {
		u8 head[4] = {};
		u8 kind = walk->protocol;
		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_FRAGMENT &&
		    kind != IPPROTO_DSTOPTS && kind != IPPROTO_AH)
			return;
		if (bpf_skb_load_bytes(walk->skb, walk->at, head, sizeof(head)))
			break;
		walk->protocol = head[0];
		if (kind == IPPROTO_FRAGMENT) {
			walk->at += 8;
			/* only the first fragment has the transport's header */
			if (head[2] || head[3] & 0xf8)
				break;
		} else {
			walk->at += kind == IPPROTO_AH ? (head[1] + 2) * 4 : (head[1] + 1) * 8;
		}
	}
	walk->whole = 0;
}

/* Ports, and where the payload begins. */
static __always_inline void read_transport(struct __sk_buff *skb, u32 at, struct packet *packet)
{
	u8 head[PORTS_HEAD] = {};
	bool is_tcp = packet->protocol == IPPROTO_TCP;
	if (bpf_skb_load_bytes(skb, at, head, is_tcp ? PORTS_HEAD : 8))
		return;
	packet->from = head[0] << 8 | head[1];
	packet->to = head[2] << 8 | head[3];
	packet->of_dns = is_dns_port(packet->from) || is_dns_port(packet->to);
	if (is_tcp && at + (head[12] >> 4) * 4 < skb->len)
		packet->payload = at + (head[12] >> 4) * 4;
}

static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *packet)
{
	u8 head[IPV6_HEAD] = {};
	u32 at;
	bool whole = true;
	if (bpf_skb_load_bytes(skb, 0, head, IP_HEAD))
		return false;
	if (head[0] >> 4 == 4) {
		packet->kinds = WANTED_net_packet_raw | WANTED_net_packet_ipv4;
		packet->protocol = head[9];
		at = (head[0] & 0xf) * 4;
		whole = !((head[6] << 8 | head[7]) & IP_OFFSET);
	} else if (head[0] >> 4 == 6) {
		if (bpf_skb_load_bytes(skb, 0, head, IPV6_HEAD))
			return false;
		packet->kinds = WANTED_net_packet_raw | WANTED_net_packet_ipv6;
		struct extensions walk = {.skb = skb, .at = IPV6_HEAD, .protocol = head[6], .whole = 1};
		skip_extensions(&walk);
		packet->protocol = walk.protocol;
		at = walk.at;
		whole = walk.whole;
	} else {
		return false;
	}
	switch (packet->protocol) {
	case IPPROTO_TCP:
		packet->kinds |= WANTED_net_packet_tcp;
		break;
	case IPPROTO_UDP:
		packet->kinds |= WANTED_net_packet_udp;
		break;
	case IPPROTO_ICMP:
		packet->kinds |= WANTED_net_packet_icmp;
		return true;
	case IPPROTO_ICMPV6:
		packet->kinds |= WANTED_net_packet_icmpv6;
		return true;
	default:
		return true;
	}
	if (whole)
		read_transport(skb, at, packet);
	if (packet->of_dns)
		packet->kinds |= OF_DNS;
	return true;
}

/* A message of HTTP/1 begins so; '{"' a line of JSON, by which miners speak with pools. */
static __always_inline bool begins_message(struct __sk_buff *skb, u32 at)
{
	char head[8] = {};
	if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
		return false;
	u32 word;
	__builtin_memcpy(&word, head, sizeof(word));
#define WORD(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)
	switch (word) {
	case WORD('G', 'E', 'T', ' '):
	case WORD('P', 'U', 'T', ' '):
	case WORD('P', 'O', 'S', 'T'):
	case WORD('H', 'E', 'A', 'D'):
	case WORD('D', 'E', 'L', 'E'):
	case WORD('O', 'P', 'T', 'I'):
	case WORD('P', 'A', 'T', 'C'):
	case WORD('T', 'R', 'A', 'C'):
	case WORD('C', 'O', 'N', 'N'):
	case WORD('H', 'T', 'T', 'P'):
		return true;
	}
	return head[0] == '{' && head[1] == '"';
}

/* A long head, and a body, come in several segments: what follows a beginning is taken, up to a limit. */
static __always_inline bool is_of_message(struct __sk_buff *skb, struct packet *packet, struct owner *owner, u32 way)
{
	u32 *left = &owner->messages_left[way == PACKET_OUT];
	if (!packet->payload)
		return false;
	if (begins_message(skb, packet->payload)) {
		*left = MESSAGE_MAX;
		return true;
	}
	u32 length = skb->len - packet->payload;
	if (!*left)
		return false;
	*left = *left > length ? *left - length : 0;
	return true;
}

/* ---- whose it is ---- */

/*
 * Whether the current task sends this. TCP also answers and sends again from wherever the kernel is, but then the
 * socket is not held; while a task holds it, nobody else sends by it. Others send only for the task that calls, unless
 * the socket is the kernel's own.
 */
static __always_inline bool is_sender(struct __sk_buff *skb, struct bpf_sock *socket, u8 protocol)
{
	struct sock *sock = BPF_CORE_READ((struct sk_buff *)skb, sk);
	if (protocol == IPPROTO_TCP && socket->type == SOCK_STREAM)
		return socket->state != BPF_TCP_LISTEN && BPF_CORE_READ(sock, sk_lock.owned);
	struct socket *file = BPF_CORE_READ(sock, sk_socket);
	return file && BPF_CORE_READ(file, file);
}

/* ---- the record ---- */

/* So many bytes of a packet are taken. */
static __always_inline u32 bytes_of(u32 wanted)
{
	u32 bytes = HEADERS_MAX;
	if (wanted & WANTED_net_packet_raw)
		bytes = config.packet_bytes ?: PACKET_MAX;
	/* without any event it is taken for the names that it tells */
	if (!wanted || wanted & (OF_DNS | OF_HTTP))
		bytes = PACKET_MAX;
	return bytes;
}

static __always_inline void fill_head(struct record *record, u16 kind, struct owner *owner, u64 slots, u32 bank)
{
	__builtin_memset(record, 0, sizeof(*record));
	record->time = now();
	record->slots = slots;
	record->event = kind;
	record->cpu = bpf_get_smp_processor_id();
	record->flags = bank ? RECORD_BANK : 0;
	if (owner) {
		record->task = owner->task;
		record->flags |= owner->is_open ? RECORD_OPEN : 0;
	}
}

/* Sends what the builder holds; what finds no room is counted as an event. */
static __always_inline int send_counted(u32 slot, u16 event)
{
	struct builder *builder = builder_at(slot);
	void *ring = this_ring();
	long failed = -1;
	if (!builder)
		return 0;
	u32 size = sizeof(struct record) + builder->used;
	FORGOTTEN(size);
	if (ring && size <= sizeof(struct record) + DATA_MAX)
		failed = bpf_ringbuf_output(ring, &builder->record, size, wake_flags(ring));
	builder_release(slot);
	if (failed)
		lost(event);
	else
		count_sent();
	return 0;
}

/* `way_and_bank`: of the packet, then of the plan. */
static __noinline int send_packet(struct __sk_buff *skb, struct owner *owner, u64 slots, u32 wanted, u32 way_and_bank)
{
	u32 whole = skb->len, bytes = bytes_of(wanted);
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(loss_of(wanted) % MAX_EVENTS);
		return 0;
	}
	struct record *record = &builder->record;
	fill_head(record, CONTROL_PACKET, owner, slots, way_and_bank >> 8);
	record->args[0] = way_and_bank & 0xff;
	record->args[1] = BPF_CORE_READ((struct sk_buff *)skb, sk, __sk_common.skc_net.net, ns.inum);
	record->args[2] = skb->ifindex;
	record->args[3] = whole;
	record->args[4] = wanted;
	if (bytes > whole)
		bytes = whole;
	/* verifiers before 5.11 remember no lower limit */
	u32 last = bytes - 1;
	FORGOTTEN(last);
	if (last >= PACKET_MAX || bpf_skb_load_bytes(skb, 0, &builder->data[4], last + 1)) {
		builder_release(slot);
		lost(loss_of(wanted) % MAX_EVENTS);
		return 0;
	}
	chunk_close(builder, 4, bytes, bytes < whole ? CHUNK_CUT : 0);
	return send_counted(slot, loss_of(wanted) % MAX_EVENTS);
}

static __always_inline int take_packet(struct __sk_buff *skb, u32 way)
{
	struct packet packet = {};
	u32 bank = config.bank;
	struct bpf_sock *sock = skb->sk;
	if (!sock || !(sock = bpf_sk_fullsock(sock)))
		return 1;
	if (dns_is_all() && sock->type == SOCK_STREAM && !is_dns_port(sock->src_port) &&
	    !is_dns_port(bpf_ntohs(sock->dst_port)))
		return 1;
	if (!read_packet(skb, &packet))
		return 1;
	bool may_be_http = http_is_served() && packet.payload;
	u32 kinds = packet.kinds | (may_be_http ? OF_HTTP : 0);
	bool tells_names = names_are_wanted() && packet.of_dns;
	if (!tells_names && !wanted_of(kinds, ~0ULL, bank))
		return 1;
	bool sends = way == PACKET_OUT && is_sender(skb, sock, packet.protocol);
	u64 flags = sends || may_be_http ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0;
	struct owner *owner = bpf_sk_storage_get(&tracee_owners, sock, NULL, flags);
	if (may_be_http && !(owner && is_of_message(skb, &packet, owner, way)))
		kinds = packet.kinds;
	if (owner && sends)
		own_by_current(owner);
	u64 slots = slots_of_owner(owner, bank);
	u32 wanted = wanted_of(kinds, slots, bank);
	if ((wanted && !is_left_out()) || tells_names)
		send_packet(skb, owner, slots, wanted, way | bank << 8);
	return 1;
}

SEC("cgroup_skb/ingress")
int tracee_ingress_cgroup_skb(struct __sk_buff *skb)
{
	return take_packet(skb, PACKET_IN);
}

SEC("cgroup_skb/egress")
int tracee_egress_cgroup_skb(struct __sk_buff *skb)
{
	return take_packet(skb, PACKET_OUT);
}

/* ---- owners ---- */

SEC("cgroup/sock_create")
int tracee_create_cgroup_sock(struct bpf_sock *sock)
{
	struct owner *owner = bpf_sk_storage_get(&tracee_owners, sock, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (owner)
		own_by_current(owner);
	return 1;
}

/* A task has received, or has tried to. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(tracee_sock_recv_length, struct sock *sock)
{
	u16 family = sock->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (dns_is_all() && sock->sk_protocol == IPPROTO_TCP && !is_dns_port(sock->__sk_common.skc_num) &&
	    !is_dns_port(bpf_ntohs(sock->__sk_common.skc_dport)))
		return 0;
	struct owner *owner = bpf_sk_storage_get(&tracee_owners, sock, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (owner &&
	    (owner->task.host_tid != (u32)bpf_get_current_pid_tgid() || owner->generation != plan_in_use()->generation))
		own_by_current(owner);
	return 0;
}

/*
 * Sockets that were there before us, at the start: whose they are is told to user space, which keeps it with the socket
 * (crates/kernel/src/sockets.rs). Here we might not: some kernels trust no socket that a file leads to.
 */
SEC("iter/task_file")
int tracee_task_file_iter(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	if (!task || !file)
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	/* NULL of one that was opened by its name, as a path */
	struct socket *socket = BPF_CORE_READ(file, private_data);
	u16 family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return 0;
	struct socket_found *found = (void *)builder->data;
	__builtin_memset(found, 0, sizeof(*found));
	found->pid = BPF_CORE_READ(task, tgid);
	found->fd = context->fd;
	found->inode = BPF_CORE_READ(file, f_inode, i_ino);
	own(&found->owner, task);
	bpf_seq_write(context->meta->seq, found, sizeof(*found));
	builder_release(slot);
	return 0;
}
