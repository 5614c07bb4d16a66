// Runs a program, and lets its file operations below one folder fail, or cuts the power.
//
//   disk FOLDER REPORT AT FAULT TIMES SEED -- PROGRAM ARGUMENTS...
//
// Operations of the program itself are counted from 1, those of programs that it starts are not. REPORT gets a line
// for each: number, what it does, path. FAULT strikes operation AT and TIMES-1 that follow and could fail so; 0: all.
//
//   none                       counts only
//   ENOSPC EIO EINTR           the operation does nothing, and fails so
//   short                      a read or write handles half of its bytes
//   kill-before kill-after     the program is killed; the disk keeps everything
//   crash-before crash-after   the power is cut: what was not synced is lost, see below
//   crash-end                  the same after the program has ended
//
// Lost are bytes of a file since its last fsync, and entries of a folder since the folder's last fsync. SEED % 4 says
// which: 0 all of it, 1 bytes only, 2 entries only, 3 of each file and each folder as much as chance has it.
//
// A preloaded library would not do: lifeboat calls the kernel for some of these without libc.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "registers are those of x86_64"
#endif

#define MANY 65536
typedef struct user_regs_struct Regs;

enum What { OPEN, CREATE, READ, WRITE, SYNC, LINK, RENAME, UNLINK, MKDIR, LIST, STAT, TRUNCATE, CHMOD, OTHER };
static const char *const WHAT[] = {"open", "create", "read", "write", "sync", "link", "rename",
                                   "unlink", "mkdir", "list", "stat", "truncate", "chmod", "other"};

static const int CALLS[] = {
    SYS_open, SYS_openat, SYS_creat, SYS_read, SYS_pread64, SYS_readv, SYS_write, SYS_pwrite64, SYS_writev,
    SYS_fsync, SYS_fdatasync, SYS_link, SYS_linkat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink,
    SYS_unlinkat, SYS_mkdir, SYS_mkdirat, SYS_getdents64, SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat,
    SYS_statx, SYS_ftruncate, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_copy_file_range, SYS_sendfile};

static char folder[PATH_MAX], graves[PATH_MAX];
static size_t folder_bytes;
static FILE *report;
static const char *fault;
static long at, times, seed, counted, struck;
static pid_t program;

static void die(const char *what) {
    fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
    _exit(125);
}

// ---- What is not on disk yet

struct Inode { dev_t dev; ino_t ino; int fd; char *saved; size_t bytes; int dirty; } inodes[MANY];
struct Entry { enum What what; char path[PATH_MAX], other[PATH_MAX], grave[PATH_MAX]; int done; } *entries[MANY];
static int inode_count, entry_count, grave_count;

static int below(const char *path) {
    return strncmp(path, folder, folder_bytes) == 0 && (path[folder_bytes] == '/' || path[folder_bytes] == 0);
}

static void parent(const char *path, char *out) {
    strcpy(out, path);
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

static struct Inode *inode_of(const char *path) {
    struct stat found;
    if (lstat(path, &found) || !S_ISREG(found.st_mode)) return NULL;
    for (int i = 0; i < inode_count; i++)
        if (inodes[i].dev == found.st_dev && inodes[i].ino == found.st_ino) return &inodes[i];
    if (inode_count == MANY) die("too many files");
    struct Inode *it = &inodes[inode_count++];
    *it = (struct Inode){found.st_dev, found.st_ino, open(path, O_RDWR | O_CLOEXEC), NULL, 0, 0};
    return it;
}

// Remembers what the disk holds of a file that is about to change.
static void will_change(const char *path) {
    struct Inode *it = inode_of(path);
    struct stat found;
    if (!it || it->dirty || it->fd < 0 || fstat(it->fd, &found)) return;
    it->bytes = (size_t)found.st_size;
    it->saved = malloc(it->bytes + 1);
    if (pread(it->fd, it->saved, it->bytes, 0) != (ssize_t)it->bytes) die(path);
    it->dirty = 1;
}

static void synced(const char *path) {
    struct stat found;
    if (lstat(path, &found)) return;
    if (S_ISDIR(found.st_mode)) {
        char of[PATH_MAX];
        for (int i = 0; i < entry_count; i++) {
            parent(entries[i]->path, of);
            if (!strcmp(of, path)) entries[i]->done = 1;
        }
        return;
    }
    struct Inode *it = inode_of(path);
    if (it && it->dirty) {
        free(it->saved);
        it->dirty = 0;
    }
}

static struct Entry *entry(enum What what, const char *path, const char *other) {
    if (entry_count == MANY) die("too many entries");
    struct Entry *it = entries[entry_count++] = calloc(1, sizeof *it);
    it->what = what;
    strcpy(it->path, path);
    if (other) strcpy(it->other, other);
    return it;
}

// Another name for what is about to lose its own.
static void bury(const char *path, char *grave) {
    snprintf(grave, PATH_MAX, "%.4000s/%d", graves, grave_count++);
    if (link(path, grave)) grave[0] = 0;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where) {
    (void)found, (void)kind, (void)where;
    return remove(path);
}

static uint64_t chance(void) {
    static uint64_t state;
    if (!state) state = (uint64_t)seed * 0x9E3779B97F4A7C15u | 1;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state >> 11;
}

// How many of the folder's entries that are not synced are on disk all the same.
static int kept_of(const char *of, int unsynced) {
    static char names[1024][PATH_MAX];
    static int kept[1024], count;
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], of)) return kept[i];
    if (count == 1024) die("too many folders");
    strcpy(names[count], of);
    int mode = (int)(seed % 4);
    return kept[count++] = mode == 1 ? unsynced : mode == 3 ? (int)(chance() % (uint64_t)(unsynced + 1)) : 0;
}

static void undo(const struct Entry *it) {
    switch (it->what) {
    case CREATE: case LINK: unlink(it->path); break;
    case MKDIR: nftw(it->path, remove_one, 16, FTW_DEPTH | FTW_PHYS); break;
    case UNLINK: if (it->grave[0]) link(it->grave, it->path); break;
    case RENAME:
        rename(it->path, it->other);
        if (it->grave[0]) link(it->grave, it->path);
        break;
    default: break;
    }
}

static void lose(void) {
    for (int i = 0; i < inode_count; i++) {
        struct Inode *it = &inodes[i];
        struct stat found;
        if (!it->dirty || it->fd < 0 || fstat(it->fd, &found)) continue;
        int mode = (int)(seed % 4);
        size_t grown = found.st_size > (off_t)it->bytes ? (size_t)found.st_size - it->bytes : 0;
        size_t kept = mode == 2 ? grown : mode == 3 ? chance() % (grown + 1) : 0;
        if (pwrite(it->fd, it->saved, it->bytes, 0) != (ssize_t)it->bytes) die("undo");
        if (ftruncate(it->fd, (off_t)(it->bytes + kept))) die("undo");
        fprintf(report, "lost %zu bytes\n", grown - kept);
    }
    char of[PATH_MAX], other[PATH_MAX];
    for (int i = entry_count - 1; i >= 0; i--) {
        if (entries[i]->done) continue;
        parent(entries[i]->path, of);
        int before = 0, all = 0;
        for (int j = 0; j < entry_count; j++) {
            parent(entries[j]->path, other);
            if (entries[j]->done || strcmp(of, other)) continue;
            before += j < i, all++;
        }
        if (before < kept_of(of, all)) continue;
        fprintf(report, "lost %s %s\n", WHAT[entries[i]->what], entries[i]->path);
        undo(entries[i]);
    }
}

// ---- One operation

struct Doing { enum What what; char path[PATH_MAX], other[PATH_MAX], grave[PATH_MAX]; int existed; };

static void text_at(pid_t pid, unsigned long address, char *out) {
    size_t read_bytes = 0;
    out[0] = 0;
    while (address && read_bytes < PATH_MAX - 8) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, pid, (void *)(address + read_bytes), NULL);
        if (errno) break;
        memcpy(out + read_bytes, &word, 8);
        if (memchr(&word, 0, 8)) return;
        read_bytes += 8;
    }
    out[read_bytes] = 0;
}

static void path_of_fd(pid_t pid, int fd, char *out) {
    char name[64];
    snprintf(name, sizeof name, fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", pid, fd);
    ssize_t bytes = readlink(name, out, PATH_MAX - 1);
    out[bytes < 0 ? 0 : bytes] = 0;
}

static void path_at(pid_t pid, int dir, unsigned long address, char *out) {
    char name[PATH_MAX], base[PATH_MAX];
    text_at(pid, address, name);
    if (name[0] == '/') {
        strcpy(out, name);
    } else {
        path_of_fd(pid, dir, base);
        if (name[0] == 0 || !strcmp(name, ".")) strcpy(out, base);
        else snprintf(out, PATH_MAX, "%.2000s/%.2000s", base, !strncmp(name, "./", 2) ? name + 2 : name);
    }
    size_t bytes = strlen(out);
    while (bytes > 1 && out[bytes - 1] == '/') out[--bytes] = 0;
}

static void opens(pid_t pid, int dir, unsigned long address, unsigned long flags, struct Doing *it) {
    it->what = flags & O_CREAT ? CREATE : OPEN;
    path_at(pid, dir, address, it->path);
    it->existed = access(it->path, F_OK) == 0;
    if (below(it->path) && it->existed && flags & O_TRUNC) will_change(it->path);
}

static void describe(pid_t pid, const Regs *r, struct Doing *it) {
    memset(it, 0, sizeof *it);
    it->what = OTHER;
    int fd = (int)r->rdi, cwd = AT_FDCWD;
    switch (r->orig_rax) {
    case SYS_open: opens(pid, cwd, r->rdi, r->rsi, it); break;
    case SYS_creat: opens(pid, cwd, r->rdi, O_CREAT | O_TRUNC, it); break;
    case SYS_openat: opens(pid, fd, r->rsi, r->rdx, it); break;
    case SYS_read: case SYS_pread64: case SYS_readv:
        it->what = READ, path_of_fd(pid, fd, it->path); break;
    case SYS_copy_file_range: it->what = WRITE, path_of_fd(pid, (int)r->rdx, it->path); break;
    case SYS_sendfile: case SYS_write: case SYS_pwrite64: case SYS_writev:
        it->what = WRITE, path_of_fd(pid, fd, it->path); break;
    case SYS_fsync: case SYS_fdatasync: it->what = SYNC, path_of_fd(pid, fd, it->path); break;
    case SYS_ftruncate: it->what = TRUNCATE, path_of_fd(pid, fd, it->path); break;
    case SYS_getdents64: it->what = LIST, path_of_fd(pid, fd, it->path); break;
    case SYS_link: path_at(pid, cwd, r->rdi, it->other), path_at(pid, cwd, r->rsi, it->path), it->what = LINK; break;
    case SYS_linkat:
        path_at(pid, fd, r->rsi, it->other), path_at(pid, (int)r->rdx, r->r10, it->path), it->what = LINK; break;
    case SYS_rename:
        path_at(pid, cwd, r->rdi, it->other), path_at(pid, cwd, r->rsi, it->path), it->what = RENAME; break;
    case SYS_renameat: case SYS_renameat2:
        path_at(pid, fd, r->rsi, it->other), path_at(pid, (int)r->rdx, r->r10, it->path), it->what = RENAME; break;
    case SYS_unlink: it->what = UNLINK, path_at(pid, cwd, r->rdi, it->path); break;
    // A temporary folder that comes back empty disturbs nobody.
    case SYS_unlinkat: it->what = r->rdx & AT_REMOVEDIR ? OTHER : UNLINK, path_at(pid, fd, r->rsi, it->path); break;
    case SYS_mkdir: it->what = MKDIR, path_at(pid, cwd, r->rdi, it->path); break;
    case SYS_mkdirat: it->what = MKDIR, path_at(pid, fd, r->rsi, it->path); break;
    case SYS_stat: case SYS_lstat: it->what = STAT, path_at(pid, cwd, r->rdi, it->path); break;
    case SYS_fstat: it->what = STAT, path_of_fd(pid, fd, it->path); break;
    case SYS_newfstatat: case SYS_statx: it->what = STAT, path_at(pid, fd, r->rsi, it->path); break;
    case SYS_chmod: it->what = CHMOD, path_at(pid, cwd, r->rdi, it->path); break;
    case SYS_fchmodat: it->what = CHMOD, path_at(pid, fd, r->rsi, it->path); break;
    default: it->what = CHMOD, path_of_fd(pid, fd, it->path); break;
    }
    if (!below(it->path)) return;
    if (it->what == WRITE || it->what == TRUNCATE) will_change(it->path);
    // RENAME_NOREPLACE overwrites nothing.
    if (it->what == UNLINK || (it->what == RENAME && access(it->path, F_OK) == 0)) bury(it->path, it->grave);
}

static void done(const struct Doing *it) {
    struct Entry *made = NULL;
    switch (it->what) {
    case CREATE:
        if (it->existed) return;
        made = entry(CREATE, it->path, NULL);
        will_change(it->path);
        break;
    case LINK: case MKDIR: case UNLINK: made = entry(it->what, it->path, NULL); break;
    case RENAME: made = entry(RENAME, it->path, it->other); break;
    case SYNC: synced(it->path); return;
    default: return;
    }
    strcpy(made->grave, it->grave);
}

// Whether an operation can fail so.
static int may(enum What what) {
    int takes_space = what == CREATE || what == WRITE || what == SYNC || what == LINK || what == RENAME || what == MKDIR;
    if (!strcmp(fault, "ENOSPC")) return takes_space;
    if (!strcmp(fault, "EINTR")) return what == OPEN || what == CREATE || what == READ || what == WRITE || what == SYNC;
    if (!strcmp(fault, "short")) return what == READ || what == WRITE;
    return 1;
}

static int strikes(enum What what) {
    if (!strcmp(fault, "none") || !strcmp(fault, "crash-end") || counted < at || !may(what)) return 0;
    return times == 0 || struck < times;
}

static int number_of(const char *name) {
    return !strcmp(name, "ENOSPC") ? ENOSPC : !strcmp(name, "EINTR") ? EINTR : EIO;
}

// ---- The program and whom it starts

static void end(int power, int code) {
    if (power) {
        lose();
        fprintf(report, "cut\n");
    }
    fprintf(report, "ended %d\n", code);
    fclose(report);
    nftw(graves, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    exit(code);
}

static pid_t tracees[MANY];
static int tracee_count;

static void cut(void) {
    for (int i = 0; i < tracee_count; i++) kill(tracees[i], SIGKILL);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;)
        if (WIFSTOPPED(status)) kill(pid, SIGKILL), ptrace(PTRACE_CONT, pid, NULL, NULL);
    end(1, 137);
}

static int is_programs(pid_t pid) {
    char name[64], line[256];
    if (pid == program) return 1;
    snprintf(name, sizeof name, "/proc/%d/status", pid);
    FILE *file = fopen(name, "r");
    int of = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Tgid: %d", &of) == 1) break;
    if (file) fclose(file);
    return of == program;
}

// What a tracee is in the middle of.
static struct { pid_t pid; struct Doing doing; unsigned long bytes; int kill; } *busy[MANY];

static void after(pid_t pid) {
    int i = pid % MANY;
    if (!busy[i] || busy[i]->pid != pid) return;
    Regs r;
    ptrace(PTRACE_GETREGS, pid, NULL, &r);
    if ((long)r.rax >= 0) done(&busy[i]->doing);
    if (busy[i]->bytes) {
        r.rdx = busy[i]->bytes;
        ptrace(PTRACE_SETREGS, pid, NULL, &r);
    }
    int kills = busy[i]->kill;
    free(busy[i]);
    busy[i] = NULL;
    if (kills == 2) cut();
    if (kills) kill(program, SIGKILL);
}

// Returns how the tracee goes on.
static int before(pid_t pid) {
    Regs r;
    struct Doing it;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r) || !is_programs(pid)) return PTRACE_CONT;
    describe(pid, &r, &it);
    if (!below(it.path)) return PTRACE_CONT;
    counted++;
    fprintf(report, "%ld %s %s\n", counted, WHAT[it.what], it.path);
    int strike = strikes(it.what), kills = 0;
    unsigned long bytes = 0;
    if (strike) {
        struck++;
        fprintf(report, "struck %s\n", fault);
        if (!strcmp(fault, "crash-before")) cut();
        if (!strcmp(fault, "kill-before")) return kill(program, SIGKILL), PTRACE_CONT;
        kills = !strcmp(fault, "crash-after") ? 2 : !strcmp(fault, "kill-after");
        if (!strcmp(fault, "short")) {
            bytes = r.rdx;
            r.rdx = r.rdx > 1 ? r.rdx / 2 : r.rdx;
        } else if (!kills) {
            r.orig_rax = (unsigned long)-1, r.rax = (unsigned long)-number_of(fault);
        }
        ptrace(PTRACE_SETREGS, pid, NULL, &r);
        if (!kills && !bytes) return PTRACE_CONT;
    }
    int i = pid % MANY;
    if (!busy[i]) busy[i] = malloc(sizeof *busy[i]);
    busy[i]->pid = pid, busy[i]->doing = it, busy[i]->bytes = bytes, busy[i]->kill = kills;
    return PTRACE_SYSCALL;
}

static void start(char **command) {
    struct sock_filter code[sizeof CALLS / sizeof *CALLS + 3];
    unsigned short count = sizeof CALLS / sizeof *CALLS;
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned short i = 0; i < count; i++)
        code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[i],
                                                   (unsigned char)(count - i), 0);
    code[count + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[count + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog filter = {count + 3, code};
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) die("ptrace");
    raise(SIGSTOP);
    // Without privileges a filter needs this first.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)))
        die("seccomp");
    execv(command[0], command);
    die(command[0]);
}

int main(int argc, char **argv) {
    if (argc < 9 || !realpath(argv[1], folder)) die("usage");
    folder_bytes = strlen(folder);
    snprintf(graves, sizeof graves, "%.4000s.graves", folder);
    mkdir(graves, 0700);
    if (!(report = fopen(argv[2], "we"))) die(argv[2]);
    at = atol(argv[3]), fault = argv[4], times = atol(argv[5]), seed = atol(argv[6]);
    if (!(program = fork())) start(argv + 8);
    int status, code = 125;
    waitpid(program, &status, 0);
    ptrace(PTRACE_SETOPTIONS, program, NULL,
           PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    ptrace(PTRACE_CONT, program, NULL, NULL);
    tracees[tracee_count++] = program;
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == program) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, how = PTRACE_CONT;
        if (event == PTRACE_EVENT_SECCOMP) {
            how = before(pid), signal = 0;
        } else if (signal == (SIGTRAP | 0x80)) {
            after(pid), signal = 0;
        } else if (event) {
            unsigned long born = 0;
            if (event != PTRACE_EVENT_EXEC && !ptrace(PTRACE_GETEVENTMSG, pid, NULL, &born) && tracee_count < MANY)
                tracees[tracee_count++] = (pid_t)born;
            signal = 0;
        } else if (signal == SIGSTOP) {
            // The first stop of one that was born traced.
            signal = 0;
        }
        ptrace(how, pid, NULL, (void *)(long)signal);
    }
    end(!strcmp(fault, "crash-end"), code);
}
