/* Files that can be made read-only while they are open, for a process that loads this first
   (LD_PRELOAD): while the 8 bytes in the file that FAULTS_PROTECT names are not 0, what would change
   something below the paths that begin with FAULTS_PROTECTED fails with EROFS, as on a disk that the
   kernel makes read-only after an error. SQLite and Python call these functions. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile const int64_t *on;
static const char *prefix;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_PROTECT");
    prefix = getenv("FAULTS_PROTECTED");
    int file = path && prefix ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        on = page;
}

static int path_protected(const char *path) {
    if (!on || !*on || strncmp(path, prefix, strlen(prefix)))
        return 0;
    errno = EROFS;
    return 1;
}

static int file_protected(int file) {
    char link[64], path[PATH_MAX];
    if (!on || !*on)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return path_protected(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OF_FILE(result, name, declared, file, ...) \
    result name declared { return file_protected(file) ? -1 : REAL(name)(file, ##__VA_ARGS__); }
#define OF_PATH(name, declared, path, ...) \
    int name declared { return path_protected(path) ? -1 : REAL(name)(__VA_ARGS__); }

OF_FILE(ssize_t, write, (int file, const void *data, size_t size), file, data, size)
OF_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), file, data, size, at)
OF_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), file, data, size,
        at)
OF_FILE(int, ftruncate, (int file, off_t size), file, size)
OF_FILE(int, ftruncate64, (int file, off64_t size), file, size)
OF_FILE(int, fsync, (int file), file)
OF_FILE(int, fdatasync, (int file), file)

int posix_fallocate64(int file, off64_t at, off64_t size) {
    return file_protected(file) ? EROFS : REAL(posix_fallocate64)(file, at, size);
}

int posix_fallocate(int file, off_t at, off_t size) {
    return posix_fallocate64(file, at, size);
}

OF_PATH(unlink, (const char *path), path, path)
OF_PATH(rename, (const char *path, const char *to), path, path, to)
OF_PATH(mkdir, (const char *path, mode_t mode), path, path, mode)

static int changes(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return changes(flags) && path_protected(path) ? -1 : REAL(name)(path, flags, mode); \
    }

OPENING(open)
OPENING(open64)
