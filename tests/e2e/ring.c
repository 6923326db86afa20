/*
 * Has an io_uring do what its arguments say, one after the other, each by a request of its own:
 *   [worker] [quiet] open FOLDERFD PATH FLAGS | apart FOLDERFD PATH FLAGS | unlink FOLDERFD PATH | rename OLD NEW |
 *   symlink TARGET PATH | truncate PATH LENGTH
 * `worker`: requests are done by a worker thread; `quiet`: those that succeed are not completed visibly.
 * Prints each result. `.` as FOLDERFD is the working directory, else the folder of that name is opened.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REQUEST_RENAMEAT 35
#define REQUEST_UNLINKAT 36
#define REQUEST_SYMLINKAT 38
#define REQUEST_FTRUNCATE 55
#define SLOTS 4

static struct {
	int fd;
	struct io_uring_params params;
	struct io_uring_sqe *entries;
	char *queue, *results;
	unsigned char flags;
} ring;

static unsigned *word(char *of, unsigned offset)
{
	return (unsigned *)(of + offset);
}

static void make_ring(void)
{
	int files[SLOTS];
	ring.fd = syscall(SYS_io_uring_setup, 8, &ring.params);
	if (ring.fd < 0)
		exit(77); /* not to be had here */
	ring.queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.results = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	memset(files, 0xff, sizeof(files));
	if (ring.queue == MAP_FAILED || ring.results == MAP_FAILED || ring.entries == MAP_FAILED ||
	    syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, SLOTS))
		abort();
}

/* The result; what a quiet request that succeeds does not tell is 0. */
static int done(struct io_uring_sqe entry)
{
	unsigned tail = *word(ring.queue, ring.params.sq_off.tail);
	unsigned place = tail & *word(ring.queue, ring.params.sq_off.ring_mask);
	entry.flags |= ring.flags;
	ring.entries[place] = entry;
	word(ring.queue, ring.params.sq_off.array)[place] = place;
	__atomic_store_n(word(ring.queue, ring.params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	int quiet = ring.flags & (1 << 6);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, quiet ? 0 : 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		abort();
	unsigned head = *word(ring.results, ring.params.cq_off.head);
	if (quiet || head == __atomic_load_n(word(ring.results, ring.params.cq_off.tail), __ATOMIC_ACQUIRE))
		return 0;
	unsigned at = head & *word(ring.results, ring.params.cq_off.ring_mask);
	int result = ((struct io_uring_cqe *)(ring.results + ring.params.cq_off.cqes))[at].res;
	__atomic_store_n(word(ring.results, ring.params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return result;
}

static int folder(const char *name)
{
	return strcmp(name, ".") ? open(name, O_RDONLY | O_DIRECTORY) : AT_FDCWD;
}

static uint64_t text(const char *name)
{
	return (uint64_t)(uintptr_t)name;
}

/* One request; how many words it took. */
static int request(char **words)
{
	struct io_uring_sqe entry = {.user_data = 1};
	int taken = 3;
	if (!strcmp(words[0], "open") || !strcmp(words[0], "apart")) {
		entry.opcode = IORING_OP_OPENAT;
		entry.fd = folder(words[1]);
		entry.addr = text(words[2]);
		entry.open_flags = atoi(words[3]);
		entry.len = 0600;
		if (words[0][0] == 'a')
			entry.splice_fd_in = 1; /* the first slot of the ring's own files */
		taken = 4;
	} else if (!strcmp(words[0], "unlink")) {
		entry.opcode = REQUEST_UNLINKAT;
		entry.fd = folder(words[1]);
		entry.addr = text(words[2]);
	} else if (!strcmp(words[0], "rename")) {
		entry.opcode = REQUEST_RENAMEAT;
		entry.fd = AT_FDCWD;
		entry.len = AT_FDCWD;
		entry.addr = text(words[1]);
		entry.addr2 = text(words[2]);
	} else if (!strcmp(words[0], "symlink")) {
		entry.opcode = REQUEST_SYMLINKAT;
		entry.fd = AT_FDCWD;
		entry.addr = text(words[1]);
		entry.addr2 = text(words[2]);
	} else if (!strcmp(words[0], "truncate")) {
		entry.opcode = REQUEST_FTRUNCATE;
		entry.fd = open(words[1], O_RDWR);
		entry.off = atoi(words[2]);
	} else {
		exit(2);
	}
	printf("%d\n", done(entry));
	return taken;
}

int main(int argc, char **argv)
{
	make_ring();
	for (int i = 1; i < argc;) {
		if (!strcmp(argv[i], "worker"))
			ring.flags |= IOSQE_ASYNC, i++;
		else if (!strcmp(argv[i], "quiet"))
			ring.flags |= 1 << 6, i++;
		else
			i += request(argv + i);
	}
	return 0;
}
