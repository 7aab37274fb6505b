/* Core files: RLIMIT_CORE, what wait says, who gets none, and all threads in it. */
#include "ktap.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>

static char big[1 << 20] __attribute__((aligned(4096)));
static volatile int here;
static void *stand(void *a) {
    __atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return a;
}
static int dies(rlim_t limit, int sig, void (*prepare)(void)) {
    int st;
    unlink("core");
    pid_t p = fork();
    if (!p) {
        struct rlimit r = {limit, RLIM_INFINITY};
        setrlimit(RLIMIT_CORE, &r);
        if (prepare)
            prepare();
        raise(sig);
        _exit(1);
    }
    waitpid(p, &st, 0);
    return st;
}
static void undumpable(void) { prctl(PR_SET_DUMPABLE, 0); }
static void other_user(void) {
    if (setgid(1000) || setuid(1000))
        _exit(2);
}
static void threads(void) {
    pthread_t t;
    for (int i = 0; i < 3; i++)
        pthread_create(&t, NULL, stand, NULL);
    while (here < 3)
        usleep(1000);
    memset(big, 0x5a, sizeof(big));
}
static void write_null(void) { *(volatile int *)8 = 1; }

/* How many threads the core file has registers of; whether it has our `big`. */
static int look(int *has_big) {
    int fd = open("core", O_RDONLY), n = 0;
    Elf64_Ehdr h;
    Elf64_Phdr p;
    *has_big = 0;
    if (fd < 0 || read(fd, &h, sizeof(h)) != sizeof(h) || memcmp(h.e_ident, ELFMAG, 4) || h.e_type != ET_CORE)
        return -1;
    for (int i = 0; i < h.e_phnum; i++) {
        pread(fd, &p, sizeof(p), h.e_phoff + i * sizeof(p));
        if (p.p_type == PT_NOTE) {
            Elf64_Nhdr note;
            for (uint64_t at = p.p_offset; at < p.p_offset + p.p_filesz;
                 at += sizeof(note) + ((note.n_namesz + 3) & ~3u) + ((note.n_descsz + 3) & ~3u)) {
                if (pread(fd, &note, sizeof(note), at) != sizeof(note))
                    break;
                n += note.n_type == NT_PRSTATUS;
            }
        } else if (p.p_vaddr <= (uintptr_t)big && (uintptr_t)big + sizeof(big) <= p.p_vaddr + p.p_filesz) {
            char c[3] = {0};
            for (int k = 0; k < 3; k++)
                pread(fd, &c[k], 1, p.p_offset + (uintptr_t)big - p.p_vaddr + k * (sizeof(big) / 2 - 1));
            *has_big = c[0] == 0x5a && c[1] == 0x5a && c[2] == 0x5a;
        }
    }
    close(fd);
    return n;
}

int main(void) {
    printf("KTAP version 1\n");
    int has_big, st;
    mkdir("/tmp/core.d", 0777);
    chmod("/tmp/core.d", 0777);
    chdir("/tmp/core.d");
    st = dies(0, SIGABRT, NULL);
    OK(WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT && !WCOREDUMP(st) && access("core", F_OK),
       "RLIMIT_CORE 0: no core file");
    st = dies(RLIM_INFINITY, SIGABRT, NULL);
    OK(WTERMSIG(st) == SIGABRT && WCOREDUMP(st) && look(&has_big) == 1,
       "abort: a core file, and wait says so");
    st = dies(RLIM_INFINITY, SIGTERM, NULL);
    OK(WTERMSIG(st) == SIGTERM && !WCOREDUMP(st) && access("core", F_OK), "SIGTERM makes none");
    st = dies(RLIM_INFINITY, SIGQUIT, threads);
    OK(WTERMSIG(st) == SIGQUIT && WCOREDUMP(st) && look(&has_big) == 4 && has_big,
       "four threads: the registers of all, and memory");
    st = dies(RLIM_INFINITY, SIGKILL, write_null);
    OK(WTERMSIG(st) == SIGSEGV && WCOREDUMP(st) && look(&has_big) == 1,
       "a bad store: SIGSEGV and a core file");
    st = dies(RLIM_INFINITY, SIGABRT, undumpable);
    OK(WTERMSIG(st) == SIGABRT && !WCOREDUMP(st) && access("core", F_OK), "PR_SET_DUMPABLE 0: none");
    st = dies(RLIM_INFINITY, SIGABRT, other_user);
    OK(WTERMSIG(st) == SIGABRT && !WCOREDUMP(st) && access("core", F_OK), "none after a change of user");
    symlink("/tmp/core.other", "core");
    pid_t p = fork();
    if (!p) {
        struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_CORE, &r);
        abort();
    }
    waitpid(p, &st, 0);
    OK(WTERMSIG(st) == SIGABRT && WCOREDUMP(st) && access("/tmp/core.other", F_OK) && look(&has_big) == 1,
       "a symbolic link in its place is replaced, not followed");
    unlink("core");
    siginfo_t si = {0};
    p = fork();
    if (!p) {
        struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_CORE, &r);
        raise(SIGILL);
    }
    OK(waitid(P_PID, p, &si, WEXITED) == 0 && si.si_code == CLD_DUMPED && si.si_status == SIGILL,
       "waitid: CLD_DUMPED");
    unlink("core");
    chdir("/");
    rmdir("/tmp/core.d");
    return ktap_done();
}
