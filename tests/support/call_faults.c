/* Preloaded into a process, watches or fails its calls that change files below one folder.

   cc -shared -fPIC -O1 call_faults.c -o call_faults.so -ldl -lpthread; LD_PRELOAD=... program

   Nothing is watched until faults_begin. Events go to the trace as they succeed, one after the
   other: a letter, three numbers (u64: inode, offset, size) and `size` bytes.

     W  bytes written at an offset         D  likewise, through a descriptor that is synchronous
     T  cut or extended to an offset       S  fsync or fdatasync
     C  the bytes, a name below the folder, are a new, empty file
     N  the name is the inode now (0: nothing)
     R  likewise of a rename: the new name (empty: outside), a zero, the old one (likewise)
     V  likewise of a folder below the folder, that is renamed
     F  fsync of the folder, or of the one below it that the bytes name
     M  faults_mark's number, as the offset

   Not thread-safe against a fork in the middle of a call; the callers fork from one thread. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_size;
static int trace = -1;
static long calls, fails_at;
static int fails_with, fails_once;

#define REAL(type, name, ...)       \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t real_write(int descriptor, const void* data, size_t size) {
  REAL(ssize_t, "write", int, const void*, size_t);
  return real(descriptor, data, size);
}

static void record(char kind, uint64_t inode, uint64_t offset, const void* data, uint64_t size) {
  if (trace < 0) return;
  char head[25];
  head[0] = kind;
  memcpy(head + 1, &inode, 8);
  memcpy(head + 9, &offset, 8);
  memcpy(head + 17, &size, 8);
  pthread_mutex_lock(&mutex);
  if (real_write(trace, head, sizeof head) != (ssize_t)sizeof head) abort();
  for (uint64_t done = 0; done < size;) {
    ssize_t count = real_write(trace, (const char*)data + done, size - done);
    if (count <= 0) abort();
    done += (uint64_t)count;
  }
  pthread_mutex_unlock(&mutex);
}

/* Whether an absolute path is the folder's own (1) or below it (2). */
static int place_of(const char* path) {
  if (!folder_size || strncmp(path, folder, folder_size)) return 0;
  if (!path[folder_size]) return 1;
  return path[folder_size] == '/' ? 2 : 0;
}

/* Where an open file is; 0, and no place, where that is not to be told. */
static int path_of(int descriptor, char* path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t size = readlink(link, path, PATH_MAX - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return place_of(path);
}

static int place(int descriptor) {
  char path[PATH_MAX];
  return folder_size ? path_of(descriptor, path) : 0;
}

/* A path as an absolute one, below the folder; 0 where it is not. */
static int name_of(int directory, const char* path, char* absolute) {
  if (!folder_size) return 0;
  if (path[0] == '/') {
    snprintf(absolute, PATH_MAX, "%s", path);
  } else if (directory == AT_FDCWD) {
    char* real = realpath(".", NULL);
    if (!real) return 0;
    snprintf(absolute, PATH_MAX, "%s/%s", real, path);
    free(real);
  } else {
    char link[64], base[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t size = readlink(link, base, sizeof base - 1);
    if (size < 0) return 0;
    base[size] = 0;
    snprintf(absolute, PATH_MAX, "%.2000s/%.2000s", base, path);
  }
  return place_of(absolute) == 2;
}

static uint64_t inode_of(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) ? 0 : status.st_ino;
}

static void record_name(char kind, const char* absolute, uint64_t inode) {
  const char* name = absolute + folder_size + 1;
  record(kind, inode, 0, name, strlen(name));
}

static uint64_t inode_at(const char* absolute) {
  struct stat status;
  return !lstat(absolute, &status) && S_ISREG(status.st_mode) ? status.st_ino : 0;
}

/* Whether the call that begins has to fail: 1, errno is set; 2: a write that has to be short. */
static int fails(void) {
  pthread_mutex_lock(&mutex);
  calls++;
  int due = fails_at && (calls == fails_at || (!fails_once && calls > fails_at));
  pthread_mutex_unlock(&mutex);
  if (!due) return 0;
  if (!fails_with) return 2;
  errno = fails_with;
  return 1;
}

static void wrote(int descriptor, const void* data, off_t offset, ssize_t size) {
  if (size <= 0) return;
  int flags = fcntl(descriptor, F_GETFL);
  record(flags >= 0 && (flags & O_DSYNC) ? 'D' : 'W', inode_of(descriptor), (uint64_t)offset, data,
         (uint64_t)size);
}

void faults_begin(const char* path, const char* trace_path, long at, int error, int once) {
  calls = 0;
  fails_at = at;
  fails_with = error;
  fails_once = once;
  trace = -1;
  folder_size = 0;
  if (trace_path && *trace_path) {
    int opened = open(trace_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (opened < 0) abort();
    trace = opened;
  }
  snprintf(folder, sizeof folder, "%s", path);
  folder_size = strlen(folder);
}

void faults_end(void) { folder_size = 0; }
long faults_calls(void) { return calls; }
void faults_mark(long number) { record('M', 0, (uint64_t)number, "", 0); }

ssize_t write(int descriptor, const void* data, size_t size) {
  if (place(descriptor) != 2) return real_write(descriptor, data, size);
  int failing = fails();
  if (failing == 1) return -1;
  if (failing == 2) size = size / 2;
  off_t offset = lseek(descriptor, 0, SEEK_CUR);
  ssize_t done = real_write(descriptor, data, size);
  wrote(descriptor, data, offset, done);
  return done;
}

ssize_t pwrite64(int descriptor, const void* data, size_t size, off_t offset) {
  REAL(ssize_t, "pwrite64", int, const void*, size_t, off_t);
  if (place(descriptor) != 2) return real(descriptor, data, size, offset);
  int failing = fails();
  if (failing == 1) return -1;
  ssize_t done = real(descriptor, data, failing == 2 ? size / 2 : size, offset);
  wrote(descriptor, data, offset, done);
  return done;
}
ssize_t pwrite(int descriptor, const void* data, size_t size, off_t offset) {
  return pwrite64(descriptor, data, size, offset);
}

static void wrote_vector(int descriptor, const struct iovec* parts, int count, off_t offset,
                         ssize_t done) {
  for (int i = 0; i < count && done > 0; i++) {
    ssize_t size = done < (ssize_t)parts[i].iov_len ? done : (ssize_t)parts[i].iov_len;
    wrote(descriptor, parts[i].iov_base, offset, size);
    offset += size;
    done -= size;
  }
}

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec*, int);
  if (place(descriptor) != 2) return real(descriptor, parts, count);
  int failing = fails();
  if (failing == 1) return -1;
  off_t offset = lseek(descriptor, 0, SEEK_CUR);
  ssize_t done = real(descriptor, parts, failing == 2 ? (count + 1) / 2 : count);
  wrote_vector(descriptor, parts, count, offset, done);
  return done;
}

ssize_t pwritev64(int descriptor, const struct iovec* parts, int count, off_t offset) {
  REAL(ssize_t, "pwritev64", int, const struct iovec*, int, off_t);
  if (place(descriptor) != 2) return real(descriptor, parts, count, offset);
  int failing = fails();
  if (failing == 1) return -1;
  ssize_t done = real(descriptor, parts, failing == 2 ? (count + 1) / 2 : count, offset);
  wrote_vector(descriptor, parts, count, offset, done);
  return done;
}
ssize_t pwritev(int descriptor, const struct iovec* parts, int count, off_t offset) {
  return pwritev64(descriptor, parts, count, offset);
}

ssize_t copy_file_range(int source, off_t* from, int target, off_t* to, size_t size,
                        unsigned int flags) {
  REAL(ssize_t, "copy_file_range", int, off_t*, int, off_t*, size_t, unsigned int);
  if (place(target) != 2) return real(source, from, target, to, size, flags);
  if (fails() == 1) return -1;
  off_t offset = to ? *to : lseek(target, 0, SEEK_CUR);
  ssize_t done = real(source, from, target, to, size, flags);
  if (done <= 0) return done;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", target);
  int reader = open(path, O_RDONLY | O_CLOEXEC); /* the target may be for writing only */
  char* copied = malloc((size_t)done);
  if (reader < 0 || !copied || pread(reader, copied, (size_t)done, offset) != done) abort();
  wrote(target, copied, offset, done);
  free(copied);
  close(reader);
  return done;
}

int ftruncate64(int descriptor, off_t size) {
  REAL(int, "ftruncate64", int, off_t);
  if (place(descriptor) != 2) return real(descriptor, size);
  if (fails() == 1) return -1;
  int result = real(descriptor, size);
  if (!result) record('T', inode_of(descriptor), (uint64_t)size, "", 0);
  return result;
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

static int synced(int descriptor, int (*real)(int)) {
  char path[PATH_MAX];
  int where = folder_size ? path_of(descriptor, path) : 0;
  if (!where) return real(descriptor);
  if (fails() == 1) return -1;
  int result = real(descriptor);
  struct stat status;
  if (result || fstat(descriptor, &status)) return result;
  const char* name = where == 1 ? "" : path + folder_size + 1;
  int is_folder = S_ISDIR(status.st_mode);
  record(is_folder ? 'F' : 'S', status.st_ino, 0, name, is_folder ? strlen(name) : 0);
  return result;
}

int fsync(int descriptor) {
  REAL(int, "fsync", int);
  return synced(descriptor, real);
}

int fdatasync(int descriptor) {
  REAL(int, "fdatasync", int);
  return synced(descriptor, real);
}

static int open_at(int directory, const char* path, int flags, mode_t mode) {
  REAL(int, "openat64", int, const char*, int, ...);
  char absolute[PATH_MAX];
  int ours = (flags & O_CREAT) && name_of(directory, path, absolute);
  struct stat before;
  int was_there = ours && !lstat(absolute, &before);
  if (ours && !was_there && fails() == 1) return -1;
  int descriptor = real(directory, path, flags, mode);
  if (ours && descriptor >= 0) {
    if (!was_there) record_name('C', absolute, inode_at(absolute));
    if (was_there && (flags & O_TRUNC)) record('T', inode_of(descriptor), 0, "", 0);
  }
  return descriptor;
}

#define OPEN(name)                               \
  int name(const char* path, int flags, ...) {   \
    va_list rest;                                \
    va_start(rest, flags);                       \
    mode_t mode = (mode_t)va_arg(rest, int);     \
    va_end(rest);                                \
    return open_at(AT_FDCWD, path, flags, mode); \
  }
#define OPENAT(name)                                          \
  int name(int directory, const char* path, int flags, ...) { \
    va_list rest;                                             \
    va_start(rest, flags);                                    \
    mode_t mode = (mode_t)va_arg(rest, int);                  \
    va_end(rest);                                             \
    return open_at(directory, path, flags, mode);             \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

static int renamed(int from_directory, const char* from, int to_directory, const char* to,
                   unsigned int flags) {
  REAL(int, "renameat2", int, const char*, int, const char*, unsigned int);
  char source[PATH_MAX], target[PATH_MAX];
  int leaves = name_of(from_directory, from, source), comes = name_of(to_directory, to, target);
  if ((leaves || comes) && fails() == 1) return -1;
  int result = real(from_directory, from, to_directory, to, flags);
  if (!result) {
    char names[2 * PATH_MAX];
    int size = snprintf(names, sizeof names, "%s%c%s", comes ? target + folder_size + 1 : "", 0,
                        leaves ? source + folder_size + 1 : "");
    struct stat status;
    int is_folder = comes && !lstat(target, &status) && S_ISDIR(status.st_mode);
    if (comes || leaves)
      record(is_folder ? 'V' : 'R', comes ? inode_at(target) : 0, 0, names, (uint64_t)size);
  }
  return result;
}
int rename(const char* from, const char* to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return renamed(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned int flags) {
  return renamed(from_directory, from, to_directory, to, flags);
}

int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
  REAL(int, "linkat", int, const char*, int, const char*, int);
  char target[PATH_MAX];
  int ours = name_of(to_directory, to, target);
  if (ours && fails() == 1) return -1;
  int result = real(from_directory, from, to_directory, to, flags);
  if (ours && !result) record_name('N', target, inode_at(target));
  return result;
}
int mkdir(const char* path, mode_t mode) {
  REAL(int, "mkdir", const char*, mode_t);
  char absolute[PATH_MAX];
  struct stat status;
  int ours = name_of(AT_FDCWD, path, absolute) && lstat(absolute, &status);
  if (ours && fails() == 1) return -1;
  return real(path, mode);
}

int link(const char* from, const char* to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int directory, const char* path, int flags) {
  REAL(int, "unlinkat", int, const char*, int);
  char absolute[PATH_MAX];
  int ours = !(flags & AT_REMOVEDIR) && name_of(directory, path, absolute);
  struct stat status;
  if (ours && !lstat(absolute, &status) && fails() == 1) return -1;
  int result = real(directory, path, flags);
  if (ours && !result) record_name('N', absolute, 0);
  return result;
}
int unlink(const char* path) { return unlinkat(AT_FDCWD, path, 0); }
