/* Sockets as 32-bit programs make them: socketcall, its arguments in memory. Prints the port, -1 without such calls. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETCALL = 102, SOCKET = 1, BIND, CONNECT, LISTEN, ACCEPT, GETSOCKNAME };

static unsigned *low; /* below 4 GiB, where 32 bits reach */

static int call32(int which, unsigned first, unsigned second, unsigned third)
{
	int result;
	low[0] = first, low[1] = second, low[2] = third;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SOCKETCALL), "b"(which), "c"(low)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(void)
{
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct sockaddr_in *here = (void *)(low + 16);
	socklen_t *size = (void *)(low + 32);
	unsigned at = (unsigned)(unsigned long)here, size_at = (unsigned)(unsigned long)size;
	*here = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	*size = sizeof(*here);
	int server = call32(SOCKET, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0) {
		puts("-1");
		return 0;
	}
	call32(BIND, server, at, sizeof(*here));
	call32(LISTEN, server, 3, 0);
	call32(GETSOCKNAME, server, at, size_at);
	int client = call32(SOCKET, AF_INET, SOCK_STREAM, 0);
	call32(CONNECT, client, at, sizeof(*here));
	call32(ACCEPT, server, 0, 0);
	printf("%d %d %d\n", ntohs(here->sin_port), server, client);
	return 0;
}
