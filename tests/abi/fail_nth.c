/* C31: the unwinding. By /proc/self/fail-nth every call here is made again and again with its first, second,
 * third... allocation failing, until it succeeds: errno is right, the caller goes on, and free memory, kernel
 * objects and the user's process count are what they were. (Debian's Linux has no fail-nth: skipped there.)
 */
#include "ktap.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <linux/sched.h>

static int nth_fd, slab_fd, mem_fd;
static char *big;
static long injected;

struct count {
    long active[48], names, free_kb, threads;
};
static char text[16384];
static void slurp(int fd) {
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = 0;
}
static struct count now(void) {
    struct count c = {0};
    slurp(slab_fd);
    long pages = 0;
    for (char *l = strchr(text, '\n'); l && l[1]; l = strchr(l + 1, '\n')) {
        long a, size, p;
        if (sscanf(l + 1, "%*s %ld %ld %ld", &a, &size, &p) == 3 && c.names < 48)
            c.active[c.names++] = a, pages += p;
    }
    slurp(mem_fd);
    char *f = strstr(text, "MemFree:"), *k = strstr(text, "KernelStack:"),
         *cached = strstr(text, "\nCached:");
    c.free_kb =
        atol(f + 8) + atol(cached + 8) + pages * 4; /* what a failure's message has read stays cached */
    c.threads = atol(k + 12);
    return c;
}
static void tell(const struct count *a, const struct count *b) {
    printf("# free %ld -> %ld kB, stacks %ld -> %ld kB\n", a->free_kb, b->free_kb, a->threads, b->threads);
    slurp(slab_fd);
    char *l = strchr(text, '\n');
    for (int i = 0; i < b->names && l; i++, l = strchr(l + 1, '\n'))
        if (a->active[i] != b->active[i])
            printf("# %.20s: %ld -> %ld\n", l + 1, a->active[i], b->active[i]);
}
/* Other harts may still be putting away what ended: the counts must come back soon. */
static int same(const struct count *a) {
    struct count b;
    for (int i = 0; i < 100; i++) {
        b = now();
        if (!memcmp(a, &b, sizeof(b)))
            return 1;
        usleep(2000);
    }
    tell(a, &b);
    return 0;
}
static void arm(int n) {
    char b[16];
    int k = sprintf(b, "%d", n);
    pwrite(nth_fd, b, k, 0);
}
static int left(void) {
    char b[16] = {0};
    pread(nth_fd, b, 15, 0);
    return atoi(b);
}

/* op makes the call between arm(n) and left(), puts right what it made, and gives 0 or errno. */
static int remaining;
static int settle(long r) {
    int e = r < 0 ? errno : 0;
    remaining = left();
    arm(0);
    return e;
}
static void sweep(const char *name, int (*op)(int n), int other_errno) {
    char what[200];
    int n = 0, bad = 0, leaks = 0, e = op(0);
    e |= op(0); /* twice: caches are warm */
    if (e)
        printf("# %s: fails by itself: %s\n", name, strerror(e)), bad++;
    struct count before = now();
    while (usleep(10000), !same(&before)) /* what ended a moment ago is being put away */
        before = now();
    for (n = 1; n < 2000 && !bad && !leaks; n++) {
        e = op(n);
        if (e && e != ENOMEM && e != EAGAIN && e != other_errno)
            printf("# %s: allocation %d: %s\n", name, n, strerror(e)), bad++;
        if (!same(&before)) { /* once may be a table that has grown, as that of process numbers: it stays so
                                 then */
            before = now();
            op(n);
            if (!same(&before))
                printf("# %s: allocation %d: leaves something behind\n", name, n), leaks++;
        }
        if (remaining)
            break; /* the call needs fewer than n */
        injected++;
    }
    sprintf(what, "C31: %s: every failing allocation, nothing left behind", name);
    OK(!bad && !leaks && n > 1 && n < 2000 && remaining && !e, what);
}

static int reap(pid_t p) {
    int st = -1;
    if (p > 0 && (waitpid(p, &st, __WALL) != p || st))
        printf("# child %d: status %x\n", p, st);
    return 0;
}
static unsigned long flags;
static char stack[65536] __attribute__((aligned(16)));
static int nothing(void *a) {
    (void)a;
    return 0;
}
static int do_fork(int n) {
    arm(n);
    long p = raw_clone(flags | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(0);
    int e = settle(p);
    return reap(p), e;
}
static int word;
static int do_clone(int n) { /* with a stack of its own: CLONE_VM */
    arm(n);
    int p = clone(nothing, stack + sizeof(stack), flags | SIGCHLD, NULL, &word, NULL, &word);
    int e = settle(p);
    return reap(p), e;
}
static int do_clone3(int n) {
    int pidfd = -1;
    struct clone_args a = {.flags = flags,
                           .exit_signal = SIGCHLD,
                           .pidfd = (uintptr_t)&pidfd,
                           .parent_tid = (uintptr_t)&word,
                           .child_tid = (uintptr_t)&word};
    arm(n);
    long p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(0);
    int e = settle(p);
    if (pidfd >= 0 && p > 0)
        close(pidfd);
    return reap(p), e;
}
static int do_vfork(int n) {
    arm(n);
    pid_t p = vfork();
    if (!p)
        _exit(0);
    int e = settle(p);
    return reap(p), e;
}
static int do_exec(int n) {
    volatile int e = 0, was = 0;
    pid_t p = vfork();
    if (!p) {
        char *argv[] = {"/proc/self/exe", "child", NULL}, *env[] = {NULL};
        int fd = open("/proc/self/fail-nth", O_RDWR);
        char b[16];
        pread(fd, b, 15, 0);
        pwrite(fd, b, sprintf(b, "%d", n), 0);
        execve("/proc/self/exe", argv, env);
        e = errno;
        was = 1;
        close(fd);
        _exit(3);
    }
    int st;
    waitpid(p, &st, 0);
    remaining = WIFEXITED(st) && WEXITSTATUS(st) == 40;
    if (!was && WIFEXITED(st) && WEXITSTATUS(st) == 127 &&
        n) /* the new program began, and its C library gave up */
        return ENOMEM;
    if (!was && !WIFEXITED(st) && n) /* past the point of no return: killed */
        return WTERMSIG(st) == SIGKILL || WTERMSIG(st) == SIGSEGV ? ENOMEM : EIO;
    if (!was && WEXITSTATUS(st) != 40 && WEXITSTATUS(st) != 41)
        return EIO;
    return e;
}
static void *thread(void *a) { return a; }
static int do_pthread(int n) {
    pthread_t t;
    arm(n);
    int r = pthread_create(&t, NULL, thread, NULL);
    settle(0);
    if (!r)
        pthread_join(t, NULL);
    return r;
}
static int do_mmap(int n) {
    arm(n);
    char *m = mmap(big + 4096, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int e = settle(m == MAP_FAILED ? -1 : 0);
    mmap(big, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return e;
}
static int do_populate(int n) {
    arm(n);
    char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int e = settle(m == MAP_FAILED ? -1 : 0);
    if (m != MAP_FAILED)
        munmap(m, 65536);
    return e;
}
static int do_mprotect(int n) {
    arm(n);
    int e = settle(mprotect(big + 4096, 4096, PROT_READ));
    mprotect(big, 8 * 4096, PROT_READ | PROT_WRITE);
    return e;
}
static int do_munmap(int n) {
    arm(n);
    int e = settle(munmap(big + 4096, 4096));
    mmap(big, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return e;
}
static int do_mremap(int n) {
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[0] = 5;
    char *to = mmap(NULL, 1 << 21, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arm(n);
    char *r = mremap(m, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    int e = settle(r == MAP_FAILED ? -1 : 0);
    if (*(r == MAP_FAILED ? m : r) != 5)
        e = EIO;
    munmap(m, 4096);
    munmap(to, 1 << 21);
    return e;
}
static int do_pipe(int n) {
    int p[2];
    arm(n);
    int e = settle(pipe(p));
    if (!e)
        close(p[0]), close(p[1]);
    return e;
}
static int do_pipe_write(int n) {
    int p[2];
    static char b[5000];
    pipe(p);
    arm(n);
    int e = settle(write(p[1], b, sizeof(b)) > 0 ? 0 : -1);
    close(p[0]), close(p[1]);
    return e;
}
static int do_open(int n) {
    arm(n);
    int fd = open("/proc/self/status", O_RDONLY), e = settle(fd);
    if (fd >= 0)
        close(fd);
    return e;
}
static int do_create(int n) {
    arm(n);
    int fd = open("/tmp/fail_nth/new", O_RDWR | O_CREAT, 0600), e = settle(fd);
    if (fd >= 0)
        close(fd);
    unlink("/tmp/fail_nth/new");
    access("/tmp/fail_nth/new", F_OK); /* that it is not there is remembered in any case */
    return e;
}
static int do_file_write(int n) {
    int fd = open("/tmp/fail_nth/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    arm(n);
    int e = settle(pwrite(fd, "x", 1, 100000) == 1 ? 0 : -1);
    ftruncate(fd, 0);
    close(fd);
    return e;
}
static int do_mkdir(int n) {
    arm(n);
    int e = settle(mkdir("/tmp/fail_nth/d", 0700));
    rmdir("/tmp/fail_nth/d");
    access("/tmp/fail_nth/d", F_OK);
    return e;
}
static int do_dup_in_child(int n) { /* a fresh table must grow */
    pid_t p = fork();
    if (!p) {
        char b[16];
        int fd = open("/proc/self/fail-nth", O_RDWR);
        pread(fd, b, 15, 0);
        pwrite(fd, b, sprintf(b, "%d", n), 0);
        int r = dup2(1, 700), e = r < 0 ? errno : 0;
        memset(b, 0, sizeof(b));
        pread(fd, b, 15, 0);
        pwrite(fd, "0", 1, 0);
        _exit(e ? e : atoi(b) ? 200 : 201);
    }
    int st;
    waitpid(p, &st, 0);
    remaining = WEXITSTATUS(st) == 200;
    return !WIFEXITED(st) ? EIO : WEXITSTATUS(st) >= 200 ? 0 : WEXITSTATUS(st);
}
static int do_events(int n) {
    sigset_t set;
    sigemptyset(&set);
    arm(n);
    int ep = epoll_create1(0), ev = ep < 0 ? -1 : eventfd(0, 0),
        tf = ev < 0 ? -1 : timerfd_create(CLOCK_MONOTONIC, 0);
    int sf = tf < 0 ? -1 : signalfd(-1, &set, 0);
    struct epoll_event e1 = {.events = EPOLLIN};
    int e = settle(sf < 0 ? -1 : epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e1));
    int f[] = {ep, ev, tf, sf};
    for (int i = 0; i < 4; i++)
        if (f[i] >= 0)
            close(f[i]);
    return e;
}
static int do_poll(int n) {
    struct pollfd p[40];
    for (int i = 0; i < 40; i++)
        p[i] = (struct pollfd){1, POLLOUT, 0};
    arm(n);
    return settle(poll(p, 40, 0));
}
static int do_inotify(int n) {
    arm(n);
    int in = inotify_init1(IN_NONBLOCK),
        wd = in < 0 ? -1 : inotify_add_watch(in, "/tmp/fail_nth", IN_CREATE | IN_DELETE);
    int e = settle(in < 0 ? -1 : wd);
    close(in);
    return e;
}
static int do_told(int n) { /* an event that cannot be kept is no reason to fail, and is told as such */
    char buf[4096];
    int in = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(in, "/tmp/fail_nth", IN_CREATE | IN_DELETE);
    arm(n);
    int e = settle(mkdir("/tmp/fail_nth/d", 0700));
    int told = read(in, buf, sizeof(buf)) > 0;
    rmdir("/tmp/fail_nth/d");
    access("/tmp/fail_nth/d", F_OK);
    close(in);
    return e || told ? e : EPROTO;
}
static int do_locks(int n) {
    int fd = open("/tmp/fail_nth/file", O_RDWR | O_CREAT, 0600);
    struct flock all = {.l_type = F_WRLCK, .l_len = 100},
                 part = {.l_type = F_UNLCK, .l_start = 10, .l_len = 10};
    arm(n);
    int e = settle(flock(fd, LOCK_EX) || fcntl(fd, F_SETLK, &all) || fcntl(fd, F_SETLK, &part) ||
                           fcntl(fd, F_OFD_SETLK, &part)
                       ? -1
                       : 0);
    close(fd);
    return e;
}
static int do_room(int n) {
    int fd = open("/tmp/fail_nth/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    arm(n);
    int e = settle(fallocate(fd, 0, 0, 40960));
    struct stat st;
    fstat(fd, &st);
    ftruncate(fd, 0);
    close(fd);
    return e && st.st_blocks ? EPROTO : e;
}
static int do_copy(int n) {
    int from = open("/tmp/fail_nth/file", O_RDWR | O_CREAT | O_TRUNC, 0600),
        to = open("/tmp/fail_nth/to", O_RDWR | O_CREAT | O_TRUNC, 0600);
    pwrite(from, "some text", 9, 0);
    arm(n);
    int e = settle(copy_file_range(from, NULL, to, NULL, 9, 0) == 9 ? 0 : -1);
    close(from), close(to);
    truncate("/tmp/fail_nth/file", 0), unlink("/tmp/fail_nth/to"), access("/tmp/fail_nth/to", F_OK);
    return e;
}
static int do_groups(int n) {
    gid_t g[40] = {1, 2, 3};
    arm(n);
    int e = settle(setgroups(40, g));
    setgroups(0, g);
    return e;
}
static int do_setuid(int n) {
    arm(n);
    int e = settle(setresuid(-1, 0, -1));
    return e;
}
static int do_semaphores(int n) {
    arm(n);
    int id = semget(IPC_PRIVATE, 40, 0600);
    struct sembuf b[40];
    for (int i = 0; i < 40; i++)
        b[i] = (struct sembuf){i, 1, SEM_UNDO};
    int e = settle(id < 0 ? -1 : semop(id, b, 40));
    if (id >= 0)
        semctl(id, 0, IPC_RMID);
    return e;
}
static int do_shared_memory(int n) {
    arm(n);
    int id = shmget(IPC_PRIVATE, 1 << 16, 0600);
    char *at = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
    int e = settle(at == (char *)-1 ? -1 : 0);
    if (at != (char *)-1)
        shmdt(at);
    if (id >= 0)
        shmctl(id, IPC_RMID, NULL);
    return e;
}
static int do_messages(int n) {
    struct {
        long type;
        char text[5000];
    } m = {1, "text"};
    arm(n);
    int id = msgget(IPC_PRIVATE, 0600);
    int e = settle(id < 0 || msgsnd(id, &m, 5000, 0) ? -1 : msgrcv(id, &m, 5000, 0, 0));
    if (id >= 0)
        msgctl(id, IPC_RMID, NULL);
    return e;
}
int main(int, char **);
static int do_policy(int n) {
    unsigned long node = 1;
    char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, 3 * 4096);
    arm(n);
    int e = settle(
        syscall(SYS_set_mempolicy, 2, &node, 65) || syscall(SYS_mbind, p + 4096, 4096, 2, &node, 65, 3) ? -1
                                                                                                        : 0);
    syscall(SYS_set_mempolicy, 0, 0, 0);
    munmap(p, 3 * 4096);
    return e;
}
static unsigned long unshare_flags;
static int do_unshare(int n) { /* in a child: what is new goes with it */
    pid_t p = fork();
    if (!p) {
        nth_fd = open("/proc/self/fail-nth", O_RDWR);
        arm(n);
        int e = syscall(SYS_unshare, unshare_flags) ? errno : 0;
        int more = left();
        arm(0);
        _exit(e | (more ? 0x80 : 0));
    }
    int st;
    waitpid(p, &st, 0);
    remaining = WEXITSTATUS(st) & 0x80;
    return WEXITSTATUS(st) & 0x7f;
}
static int do_keys(int n) {
    arm(n);
    long ring = syscall(SYS_add_key, "keyring", "sweep", NULL, 0, -1);
    int e = settle(ring < 0 ? -1 : syscall(SYS_add_key, "user", "sweep", "content", 7, ring));
    syscall(SYS_keyctl, 7, -1);
    return e;
}
static int do_trace(int n) { /* peeks, pokes into text, single steps */
    long w;
    pid_t p = fork();
    if (!p) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (volatile int i = 0; i < 1000; i++)
            ;
        _exit(0);
    }
    waitpid(p, &(int){0}, 0);
    arm(n);
    long r = syscall(SYS_ptrace, PTRACE_PEEKDATA, p, (long)main & ~7L, &w);
    if (!r)
        r = syscall(SYS_ptrace, PTRACE_POKEDATA, p, (long)main & ~7L, w);
    if (!r)
        r = syscall(SYS_ptrace, PTRACE_SINGLESTEP, p, 0, 0);
    int e = settle(r);
    kill(p, SIGKILL);
    waitpid(p, &(int){0}, 0);
    return e;
}
static int all_of_a_user(void) { /* the count of a user's processes, exactly */
    close(nth_fd);
    nth_fd = open("/proc/self/fail-nth", O_RDWR);
    setgid(4321);
    setuid(4321);
    flags = 0;
    sweep("fork by a user", do_fork, 0);
    struct rlimit two = {2, 2}, one = {1, 2};
    setrlimit(RLIMIT_NPROC, &two);
    pid_t p = fork();
    if (!p)
        _exit(0);
    OK(p > 0, "C4: after it the user may still have as many processes as before");
    reap(p);
    setrlimit(RLIMIT_NPROC, &one);
    FAILS(fork(), EAGAIN, "C4: and no more");
    return ktap_n;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        slab_fd = open("/proc/self/fail-nth", O_RDONLY);
        char b[16] = {0};
        pread(slab_fd, b, 15, 0);
        return atoi(b) ? 40 : 41;
    }
    printf("KTAP version 1\n");
    nth_fd = open("/proc/self/fail-nth", O_RDWR);
    if (nth_fd < 0) {
        printf("ok 1 C31 # SKIP no fail-nth in this kernel\n1..1\n");
        return 0;
    }
    (void)argv;
    /* One hart: another one would keep the address space it ran last a little longer. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
    left();
    slab_fd = open("/proc/slabinfo", O_RDONLY);
    mem_fd = open("/proc/meminfo", O_RDONLY);
    big = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(big, 1, 8 * 4096);
    mkdir("/tmp/fail_nth", 0700);
    now();
    sweep("fork", do_fork, 0);
    flags = CLONE_FILES;
    sweep("clone(FILES)", do_fork, 0);
    flags = CLONE_FS;
    sweep("clone(FS)", do_fork, 0);
    flags = CLONE_VM;
    sweep("clone(VM)", do_clone, 0);
    flags = CLONE_VM | CLONE_SIGHAND;
    sweep("clone(VM|SIGHAND)", do_clone, 0);
    flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM;
    sweep("clone(VM|FS|FILES|SIGHAND|SYSVSEM)", do_clone, 0);
    flags = CLONE_VM | CLONE_VFORK;
    sweep("clone(VM|VFORK)", do_clone, 0);
    flags = CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    sweep("clone(VM|PARENT_SETTID|CHILD_CLEARTID)", do_clone, EFAULT);
    flags = CLONE_PIDFD;
    sweep("clone3(PIDFD)", do_clone3, EFAULT);
    flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | 0x100000000UL;
    sweep("clone3(PIDFD|PARENT_SETTID|CHILD_SETTID|CLEAR_SIGHAND)", do_clone3, EFAULT);
    sweep("vfork", do_vfork, 0);
    sweep("exec", do_exec, 0);
    sweep("pthread_create", do_pthread, 0);
    sweep("mmap", do_mmap, 0);
    sweep("mmap(POPULATE)", do_populate, 0);
    sweep("mprotect", do_mprotect, 0);
    sweep("munmap", do_munmap, 0);
    sweep("mremap", do_mremap, 0);
    sweep("pipe", do_pipe, 0);
    sweep("write to a pipe", do_pipe_write, 0);
    sweep("open", do_open, 0);
    sweep("open(O_CREAT)", do_create, 0);
    sweep("write to a file", do_file_write, 0);
    sweep("mkdir", do_mkdir, 0);
    sweep("dup2 past the table's end", do_dup_in_child, 0);
    sweep("epoll, eventfd, timerfd, signalfd", do_events, 0);
    sweep("poll", do_poll, 0);
    sweep("inotify_init1, inotify_add_watch", do_inotify, 0);
    sweep("mkdir in a directory that is watched", do_told, 0);
    sweep("flock, fcntl locks", do_locks, 0);
    sweep("fallocate", do_room, 0);
    sweep("copy_file_range", do_copy, 0);
    sweep("setgroups", do_groups, 0);
    sweep("setresuid", do_setuid, 0);
    sweep("semget, semop", do_semaphores, 0);
    sweep("shmget, shmat", do_shared_memory, 0);
    sweep("msgget, msgsnd, msgrcv", do_messages, 0);
    sweep("add_key", do_keys, 0);
    sweep("ptrace: peek, poke, step", do_trace, EIO);
    unshare_flags = CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID;
    sweep("unshare(UTS|IPC|NS|PID)", do_unshare, 0);
    unshare_flags |= CLONE_NEWUSER;
    sweep("unshare(USER|UTS|IPC|NS|PID)", do_unshare, 0);
    sweep("set_mempolicy, mbind", do_policy, 0);
    flags = CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID;
    sweep("clone(NEWUTS|NEWIPC|NEWNS|NEWPID)", do_fork, 0);
    flags |= CLONE_NEWUSER;
    sweep("clone(NEWUSER|NEWUTS|NEWIPC|NEWNS|NEWPID)", do_fork, 0);
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(all_of_a_user());
    int st;
    waitpid(p, &st, 0);
    ktap_n = WIFEXITED(st) ? WEXITSTATUS(st) : ktap_n;
    printf("# %ld failures injected\n", injected);
    return ktap_done();
}
