/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets of every family. */
#include "deeds.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define NAME "sockfd:i addr:A addrlen:p"
#define SEND "sockfd:i buf:p len:U flags:u dest_addr:a addrlen:i"
#define RECEIVE "sockfd:i buf:p len:U flags:u src_addr:A addrlen:p"

void sockets(void)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_nl netlink = {.nl_family = AF_NETLINK, .nl_groups = 1};
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = 3, .svm_port = 4000000000u};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, abstract = {AF_UNIX, "\0deeds\\\xff"};
	struct sockaddr_storage any;
	struct iovec iov = {"datagram", 8};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	int pair[2], one = 1;
	socklen_t size = sizeof(in4);
	struct stat stat;
	char text[64], name[64];
	long server = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6);
	CALL(setsockopt, "sockfd:i level:i optname:i optval:p optlen:i", server, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	CALL(bind, BIND, server, &in4, sizeof(in4));
	CALL(listen, "sockfd:i backlog:i", server, 5);
	CALL(getsockname, NAME, server, &in4, &size);
	long client = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_STREAM, 0);
	CALL(connect, BIND, client, &in4, sizeof(in4));
	long accepted = CALL(accept, NAME, server, &peer, &size);
	CALL(accept, NAME, -1, &peer, &size);
	CALL(getpeername, NAME, client, &peer, &size);
	CALL(sendto, SEND, client, "hello", 5, MSG_NOSIGNAL, NULL, 0);
	CALL(recvfrom, RECEIVE, accepted, text, 64, MSG_PEEK, NULL, NULL);
	CALL(shutdown, "sockfd:i how:i", client, SHUT_RDWR);
	CALL(fstat, "fd:i statbuf:p", client, &stat);
	sprintf(name, "socket:[%lu]", stat.st_ino);
	keep(client, name);
	CALL(ioctl, "fd:F request:u arg:U", client, 0x541b, &one);
	long udp = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_DGRAM, 17);
	CALL(bind, BIND, udp, &(struct sockaddr_in){.sin_family = AF_INET}, 16);
	CALL(getsockname, NAME, udp, &in4, &size);
	CALL(sendto, SEND, udp, "hello", 5, 0, &in4, sizeof(in4));
	CALL(recvfrom, RECEIVE, udp, text, 64, 0, &any, (size = sizeof(any), &size));
	message.msg_hdr.msg_name = &in4, message.msg_hdr.msg_namelen = sizeof(in4);
	CALL(sendmsg, "sockfd:i msg:p flags:u", udp, &message, MSG_DONTWAIT);
	CALL(recvmsg, "sockfd:i msg:p flags:u", udp, &message, 0);
	CALL(sendmmsg, "sockfd:i msgvec:p vlen:u flags:u", udp, &message, 1, 0);
	CALL(recvmmsg, "sockfd:i msgvec:p vlen:u flags:u timeout:t", udp, &message, 1, 0, NULL);
	CALL(recvmmsg, "sockfd:i msgvec:p vlen:u flags:u timeout:t", -1, &message, 1, 0, &five);
	long six = CALL(socket, "domain:i type:i protocol:i", AF_INET6, SOCK_DGRAM, 0);
	CALL(bind, BIND, six, &in6, sizeof(in6));
	in6.sin6_port = htons(4242), in6.sin6_flowinfo = htonl(0xabcde), in6.sin6_scope_id = 7;
	inet_pton(AF_INET6, "fe80::1:2", &in6.sin6_addr);
	CALL(connect, BIND, -1, &in6, sizeof(in6));
	CALL(connect, BIND, -1, &vm, sizeof(vm));
	CALL(connect, BIND, udp, &(struct sockaddr){.sa_family = AF_UNSPEC}, 16);
	CALL(connect, BIND, udp, NULL, 16);
	sprintf(un.sun_path, "sock\xfe");
	long local = CALL(socket, "domain:i type:i protocol:i", AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, BIND, local, &un, sizeof(un));
	CALL(unlink, "pathname:s", un.sun_path);
	long hidden = CALL(socket, "domain:i type:i protocol:i", AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, BIND, hidden, &abstract, offsetof(struct sockaddr_un, sun_path) + 8);
	CALL(listen, "sockfd:i backlog:i", hidden, 1);
	CALL(connect, BIND, local, &abstract, offsetof(struct sockaddr_un, sun_path) + 8);
	CALL(accept4, NAME " flags:i", hidden, &any, (size = sizeof(any), &size), SOCK_CLOEXEC);
	CALL(getsockname, NAME, hidden, &any, (size = sizeof(any), &size));
	CALL(socketpair, "domain:i type:i protocol:i sv:f", AF_UNIX, SOCK_SEQPACKET, 0, pair);
	CALL(socketpair, "domain:i type:i protocol:i sv:f", AF_INET, SOCK_STREAM, 0, pair);
	CALL(getpeername, NAME, pair[0], &any, (size = sizeof(any), &size));
	CALL(getsockopt, "sockfd:i level:i optname:i optval:p optlen:p", pair[0], SOL_SOCKET, SO_TYPE, &one, &size);
	long route = CALL(socket, "domain:i type:i protocol:i", AF_NETLINK, SOCK_RAW, 0);
	CALL(bind, BIND, route, &netlink, sizeof(netlink));
	CALL(getsockname, NAME, route, &any, (size = sizeof(any), &size));
	CALL(close_range, "first:u last:u flags:u", server, 60, 0);
	keep(client, NULL);
}
