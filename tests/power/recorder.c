/* Writes down what a program does to the files below one folder, for tests of power cuts.
 *
 * Preloaded (LD_PRELOAD). POWER_FOLDER is the folder, POWER_LOG the log. A record is one line of facts and,
 * for a write, the bytes behind it; it is appended by one write(2), so several processes can share a log.
 * A record is written before the call that it tells of returns, so an order that programs can rely on is
 * the order of the log. A sync has two records, for only what was written before its begin is sure.
 *
 * Bytes that come by mmap, or from programs that are not preloaded, are not seen: a file's bytes are therefore
 * read once more when it is synced, renamed or linked ("C").
 *
 * Without the two variables nothing is written down until the program itself calls power_begin, which can also end
 * it after so many records (that is the moment at which the power goes) or let the folder's disk have so much room.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_fd = -1;
static long records_left = -1; /* -1: it may go on for ever */
static long room = -1;         /* bytes by which files below the folder may still grow; -1: as the disk says */
static char folder[PATH_MAX];
static size_t folder_length;
static dev_t device;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static ssize_t real_write(int fd, const void *data, size_t size) {
    REAL(write);
    return real(fd, data, size);
}

/* From here on what happens below `where` is appended to `log`; the process ends itself after `records` of them, and
 * `bytes` are free on that disk (-1 each: no limit). */
void power_begin(const char *where, const char *log, long records, long bytes) {
    if (!realpath(where, folder)) return;
    folder_length = strlen(folder);
    struct stat facts;
    if (stat(folder, &facts) == 0) device = facts.st_dev;
    int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    close(fd);
    records_left = records;
    room = bytes;
}

void power_end(void) {
    close(log_fd);
    log_fd = -1;
    room = records_left = -1;
}

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("POWER_FOLDER"), *log = getenv("POWER_LOG");
    if (where && log) power_begin(where, log, -1, -1);
}

static void append(const char *line, const void *data, size_t size) {
    size_t length = strlen(line);
    char *record = malloc(length + size);
    memcpy(record, line, length);
    if (size) memcpy(record + length, data, size);
    for (size_t done = 0; done < length + size;) {
        ssize_t written = real_write(log_fd, record + done, length + size - done);
        if (written < 0) abort();
        done += (size_t)written;
    }
    free(record);
    /* "C" tells of bytes that other records told of. */
    if (records_left > 0 && line[0] != 'C' && --records_left == 0) _exit(99);
}

/* The path below the folder, or NULL. */
static const char *inside(const char *path) {
    if (log_fd < 0 || strncmp(path, folder, folder_length) != 0 || path[folder_length] != '/') return NULL;
    return path + folder_length + 1;
}

static int absolute(int at, const char *path, char *found) {
    char name[PATH_MAX];
    if (log_fd < 0) return 0;
    if (path[0] == '/') {
        snprintf(name, sizeof name, "%s", path);
    } else if (at == AT_FDCWD) {
        if (!getcwd(name, sizeof name - strlen(path) - 2)) return 0;
        strcat(strcat(name, "/"), path);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, name, sizeof name - strlen(path) - 2);
        if (length < 0) return 0;
        name[length] = 0;
        strcat(strcat(name, "/"), path);
    }
    strcpy(found, name);
    return inside(found) != NULL;
}

/* Whether the handle is of a file or folder there; its inode. */
static ino_t of_handle(int fd, int *is_folder) {
    struct stat facts;
    int kept = errno;
    if (log_fd < 0 || fd == log_fd || fstat(fd, &facts) != 0 || facts.st_dev != device ||
        !(S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode))) {
        errno = kept;
        return 0;
    }
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    if (strcmp(path, folder) != 0 && !inside(path)) return 0;
    if (is_folder) *is_folder = S_ISDIR(facts.st_mode);
    return facts.st_ino;
}

static ino_t of_path(const char *path) {
    struct stat facts;
    return lstat(path, &facts) == 0 ? facts.st_ino : 0;
}

static void note(const char *format, ...) {
    char line[3 * PATH_MAX];
    int kept = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    append(line, NULL, 0);
    errno = kept;
}

static void note_bytes(char kind, ino_t inode, off_t offset, const void *data, size_t size) {
    char line[128];
    int kept = errno;
    snprintf(line, sizeof line, "%c %lu %ld %zu\n", kind, (unsigned long)inode, (long)offset, size);
    append(line, data, size);
    errno = kept;
}

static void note_content(const char *path, ino_t inode) {
    struct stat facts;
    int kept = errno;
    if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode)) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *data = malloc((size_t)facts.st_size + 1);
        ssize_t size = fd < 0 ? -1 : pread(fd, data, (size_t)facts.st_size, 0);
        if (size >= 0) note_bytes('C', inode, 0, data, (size_t)size);
        free(data);
        if (fd >= 0) close(fd);
    }
    errno = kept;
}

/* --- bytes --- */

/* Whether there is room for a file to grow to `end`; takes it. */
static int fits(int fd, off_t end) {
    struct stat facts;
    if (room < 0 || !of_handle(fd, NULL) || fstat(fd, &facts) != 0 || end <= facts.st_size) return 1;
    if (end - facts.st_size > room) {
        errno = ENOSPC;
        return 0;
    }
    room -= end - facts.st_size;
    return 1;
}

static off_t end_of(int fd, size_t size) {
    struct stat facts;
    int flags = fcntl(fd, F_GETFL);
    if (room < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) return 0;
    return (flags & O_APPEND ? facts.st_size : lseek(fd, 0, SEEK_CUR)) + (off_t)size;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (!fits(fd, end_of(fd, size))) return -1;
    ssize_t done = real_write(fd, data, size);
    ino_t inode = done > 0 ? of_handle(fd, NULL) : 0;
    if (inode) note_bytes('W', inode, lseek(fd, 0, SEEK_CUR) - done, data, (size_t)done);
    return done;
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, __off64_t offset) { \
        REAL(name); \
        if (!fits(fd, offset + (off_t)size)) return -1; \
        ssize_t done = real(fd, data, size, offset); \
        ino_t inode = done > 0 ? of_handle(fd, NULL) : 0; \
        if (inode) note_bytes('W', inode, offset, data, (size_t)done); \
        return done; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

static void note_read_back(int fd, ssize_t done) {
    ino_t inode = done > 0 ? of_handle(fd, NULL) : 0;
    if (!inode) return;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    note_content(path, inode);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    ssize_t done = real(fd, parts, count);
    note_read_back(fd, done);
    return done;
}

ssize_t sendfile64(int to, int from, __off64_t *offset, size_t size) {
    REAL(sendfile64);
    ssize_t done = real(to, from, offset, size);
    note_read_back(to, done);
    return done;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) { return sendfile64(to, from, offset, size); }

ssize_t copy_file_range(int from, __off64_t *from_at, int to, __off64_t *to_at, size_t size, unsigned flags) {
    REAL(copy_file_range);
    ssize_t done = real(from, from_at, to, to_at, size, flags);
    note_read_back(to, done);
    return done;
}

#define TRUNCATE(name) \
    int name(int fd, __off64_t size) { \
        REAL(name); \
        int done = real(fd, size); \
        ino_t inode = done == 0 ? of_handle(fd, NULL) : 0; \
        if (inode) note("T %lu %ld\n", (unsigned long)inode, (long)size); \
        return done; \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        static __thread unsigned count; \
        int is_folder = 0; \
        ino_t inode = of_handle(fd, &is_folder); \
        unsigned long turn = (unsigned long)getpid() * 1000003UL + (unsigned long)pthread_self_number() + ++count; \
        if (inode) { \
            if (!is_folder) note_synced(fd, inode); \
            note("B %lu %lu\n", (unsigned long)inode, turn); \
        } \
        int done = real(fd); \
        if (inode && done == 0) note("E %lu %lu\n", (unsigned long)inode, turn); \
        return done; \
    }

static unsigned long pthread_self_number(void) { return (unsigned long)gettid() << 24; }

/* What other programs wrote is learned here; a database is only ever written by recorded ones, and is large. */
static void note_synced(int fd, ino_t inode) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    if (!strstr(path, ".db") && !strstr(path, "/incoming/")) note_content(path, inode);
}

SYNC(fsync)
SYNC(fdatasync)

/* --- names --- */

static int opened(int at, const char *path, int flags, int fd, int was_there) {
    char name[PATH_MAX];
    if (fd >= 0 && (flags & (O_CREAT | O_TRUNC)) && absolute(at, path, name)) {
        struct stat facts;
        int kept = errno;
        fstat(fd, &facts);
        if (!was_there && (flags & O_CREAT)) note("N %lu %s\n", (unsigned long)facts.st_ino, inside(name));
        else if (flags & O_TRUNC) note("T %lu 0\n", (unsigned long)facts.st_ino);
        errno = kept;
    }
    return fd;
}

static int is_there(int at, const char *path, int flags) {
    char name[PATH_MAX];
    int kept = errno;
    int there = !(flags & O_CREAT) || !absolute(at, path, name) || of_path(name) != 0;
    errno = kept;
    return there;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
        int there = is_there(AT_FDCWD, path, flags); \
        return opened(AT_FDCWD, path, flags, real(path, flags, mode), there); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
        int there = is_there(at, path, flags); \
        return opened(at, path, flags, real(at, path, flags, mode), there); \
    }
OPENAT(openat)
OPENAT(openat64)

static int renamed(int from_at, const char *from, int to_at, const char *to, int (*call)(int, const char *, int, const char *)) {
    char old[PATH_MAX], new[PATH_MAX];
    int recorded = absolute(to_at, to, new) && absolute(from_at, from, old);
    ino_t inode = recorded ? of_path(old) : 0;
    if (inode) note_content(old, inode);
    int done = call(from_at, from, to_at, to);
    if (inode && done == 0) note("R %lu %s\t%s\n", (unsigned long)inode, inside(old), inside(new));
    return done;
}

static int call_renameat(int from_at, const char *from, int to_at, const char *to) {
    REAL(renameat);
    return real(from_at, from, to_at, to);
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, call_renameat); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renamed(from_at, from, to_at, to, call_renameat); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat);
    char old[PATH_MAX], new[PATH_MAX];
    int recorded = absolute(to_at, to, new) && absolute(from_at, from, old);
    int done = real(from_at, from, to_at, to, flags);
    if (recorded && done == 0) note("L %lu %s\n", (unsigned long)of_path(new), inside(new));
    return done;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    char name[PATH_MAX];
    int recorded = absolute(at, path, name);
    int done = real(at, path, flags);
    if (recorded && done == 0) note("U %s\n", inside(name));
    return done;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(mkdirat);
    char name[PATH_MAX];
    int done = real(at, path, mode);
    if (done == 0 && absolute(at, path, name)) note("M %lu %s\n", (unsigned long)of_path(name), inside(name));
    return done;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int symlink(const char *target, const char *path) {
    REAL(symlink);
    char name[PATH_MAX];
    int done = real(target, path);
    if (done == 0 && absolute(AT_FDCWD, path, name)) note("S %lu %s\t%s\n", (unsigned long)of_path(name), inside(name), target);
    return done;
}
