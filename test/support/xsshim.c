// SPDX-License-Identifier: Apache-2.0
//
// Lets Debian's unmodified xenstored and oxenstored (4.17) run without a hypervisor, by LD_PRELOAD:
// their hypercalls become files in the folder $XSSHIM_DIR, and their fixed paths move there. Makes
// no guest: whoever plays one writes the folder's files. Limits: x86-64 and arm64 Linux, one server
// a process.
//
//   domains/N   a domain N while the file is there; empty: it runs, "s": shut down, "d": dying
//   ring-N      the page that domain N and the server share, made when it is first mapped
//   events      FIFO of event channel ports, each a uint32: port 1000 says that a domain's state has
//               changed (VIRQ_DOM_EXC), any other that its ring has news
//
// No Xen header is used: the few layouts below are those of libxenctrl 4.17.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096, DOMAIN_EVENT_PORT = 1000, DOM0_PORT = 1 };

// The bits of a domain's state, the same in both structures that the servers read.
enum { ABSENT = -1, RUNNING = 0, DYING = 1, SHUTDOWN = 4 };

static int event_fifo = -1;
static char handle; // stands for every handle of the libraries; none is ever looked into

// System calls, not libc's functions: those are replaced below.
static int open_in(int folder, const char *path, int flags, mode_t mode)
{
	return syscall(SYS_openat, folder, path, flags, mode);
}

static int shim_folder(void)
{
	static int fd = -1;
	const char *path = getenv("XSSHIM_DIR");

	if (fd < 0)
		fd = open_in(AT_FDCWD, path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return fd;
}

// ---- libxenctrl: which domains there are -------------------------------------------------------

static int domain_state(uint32_t domid)
{
	char name[32], word = 0;
	int fd;

	if (domid == 0)
		return RUNNING;
	snprintf(name, sizeof name, "domains/%u", domid);
	fd = open_in(shim_folder(), name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return ABSENT;
	if (read(fd, &word, 1) != 1)
		word = 0;
	close(fd);
	return word == 'd' ? DYING : word == 's' ? SHUTDOWN : RUNNING;
}

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags) { return &handle; }
int xc_interface_close(void *xch) { return 0; }

// For the C server, which asks for one domain: { uint32 domid, ssidref; unsigned state bits … }.
int xc_domain_getinfo(void *xch, uint32_t first, unsigned max, uint32_t *info)
{
	int state = domain_state(first);

	if (state == ABSENT)
		return 0;
	info[0] = first;
	info[1] = 0;
	info[2] = state;
	return 1;
}

// For oxenstored: { uint16 domid, pad; uint32 state bits; … }, 112 bytes in all.
int xc_domain_getinfolist(void *xch, uint32_t first, unsigned max, uint32_t *info)
{
	int state = domain_state(first);

	if (state == ABSENT) {
		errno = ESRCH;
		return 0;
	}
	memset(info, 0, 112);
	info[0] = first & 0xffff;
	info[1] = state;
	return 1;
}

// ---- Shared pages ------------------------------------------------------------------------------

static int ring_file(uint32_t domid)
{
	char name[32];
	int fd;

	snprintf(name, sizeof name, "ring-%u", domid);
	fd = open_in(shim_folder(), name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, PAGE) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *map_ring(uint32_t domid)
{
	void *page = MAP_FAILED;
	int fd = -1;

	if (domain_state(domid) == ABSENT)
		errno = EINVAL; // what the grant table says
	else
		fd = ring_file(domid);
	if (fd >= 0) {
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	return page == MAP_FAILED ? NULL : page;
}

void *xengnttab_open(void *logger, unsigned flags) { return &handle; }
int xengnttab_close(void *xgt) { return 0; }
int xengnttab_set_max_grants(void *xgt, uint32_t count) { return 0; }
int xengnttab_unmap(void *xgt, void *page, uint32_t count) { return munmap(page, count * PAGE); }

void *xengnttab_map_grant_ref(void *xgt, uint32_t domid, uint32_t ref, int prot)
{
	return map_ring(domid);
}

void *xc_map_foreign_range(void *xch, uint32_t domid, int size, int prot, unsigned long frame)
{
	return map_ring(domid);
}

// ---- libxenevtchn ------------------------------------------------------------------------------

void *xenevtchn_open(void *logger, unsigned flags)
{
	// Read and write: without a writer of its own the server would see a hang-up.
	if (mkfifoat(shim_folder(), "events", 0600) == 0 || errno == EEXIST)
		event_fifo = open_in(shim_folder(), "events", O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
	return event_fifo < 0 ? NULL : &handle;
}

int xenevtchn_pending(void *xce)
{
	uint32_t port;

	return read(event_fifo, &port, sizeof port) == sizeof port ? (int)port : -1;
}

int xenevtchn_fd(void *xce) { return event_fifo; }
int xenevtchn_close(void *xce) { return 0; }
int xenevtchn_notify(void *xce, uint32_t port) { return 0; }
int xenevtchn_unbind(void *xce, uint32_t port) { return 0; }
int xenevtchn_unmask(void *xce, uint32_t port) { return 0; }
int xenevtchn_bind_virq(void *xce, unsigned virq) { return DOMAIN_EVENT_PORT; }
int xenevtchn_bind_interdomain(void *xce, uint32_t domid, uint32_t port) { return port; }

// ---- libc: fixed paths, and a limit that only root may raise -----------------------------------

// The part of a path below the run folder that oxenstored has compiled in; NULL for others.
static const char *below_run_folder(const char *path)
{
	static const char folder[] = "/var/run/xenstored/";

	return strncmp(path, folder, sizeof folder - 1) == 0 ? path + sizeof folder - 1 : NULL;
}

static int port_file(void)
{
	int fd = memfd_create("xsd_port", MFD_CLOEXEC);

	// Without a newline: oxenstored takes the whole content for a number.
	if (fd >= 0 && dprintf(fd, "%d", DOM0_PORT) > 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_moved(const char *path, int flags, mode_t mode)
{
	const char *below = below_run_folder(path);

	if (strcmp(path, "/proc/xen/xsd_kva") == 0)
		return ring_file(0);
	if (strcmp(path, "/proc/xen/xsd_port") == 0)
		return port_file();
	return open_in(below ? shim_folder() : AT_FDCWD, below ? below : path, flags, mode);
}

#define REPLACE_OPEN(name)                                \
	int name(const char *path, int flags, ...)        \
	{                                                 \
		va_list rest;                             \
		mode_t mode;                              \
		va_start(rest, flags);                    \
		mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
		va_end(rest);                             \
		return open_moved(path, flags, mode);     \
	}
REPLACE_OPEN(open)
REPLACE_OPEN(open64)

int unlink(const char *path)
{
	const char *below = below_run_folder(path);

	return syscall(SYS_unlinkat, below ? shim_folder() : AT_FDCWD, below ? below : path, 0);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_un *given = (const struct sockaddr_un *)address;
	struct sockaddr_un moved = { .sun_family = AF_UNIX };
	const char *below = given->sun_family == AF_UNIX ? below_run_folder(given->sun_path) : NULL;

	if (below == NULL)
		return syscall(SYS_bind, fd, address, length);
	// By descriptor: short enough for an address however long the folder's own path is.
	snprintf(moved.sun_path, sizeof moved.sun_path, "/proc/self/fd/%d/%s", shim_folder(), below);
	return syscall(SYS_bind, fd, &moved, sizeof moved);
}

// oxenstored gives up when it may not raise its number of files; a test needs few.
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	int result = syscall(SYS_prlimit64, 0, resource, limit, NULL);

	return result != 0 && errno == EPERM && resource == RLIMIT_NOFILE ? 0 : result;
}
