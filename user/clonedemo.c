/* clonedemo: for each CLONE_* flag, what parent and child share, found by trying: the child changes
 * the thing, the parent looks. */
#include <tine.h>

long clone_thread(long flags, void *stack, uint32_t *ptid, void *tls, uint32_t *ctid, void (*fn)(void *),
                  void *arg);
static int fd_to_close;
static volatile int memory;
static uint32_t ctid, ptid;
static char *stack;
static char tls[512] __attribute__((aligned(64)));
struct result {
    pid_t tgid, ppid;
};
static volatile struct result *shared;
static void handler(int s) { (void)s; }
void init_tls(void *block);

static void child(void *arg) {
    (void)arg;
    memory = 1;
    chdir("/tmp");
    close(fd_to_close);
    signal(SIGUSR1, handler);
    shared->tgid = getpid();
    shared->ppid = getppid();
    syscall_raw(SYS_exit, 0, 0, 0, 0, 0, 0);
}

static void try(const char *name, long flags) {
    char cwd[256];
    int st;
    memory = 0;
    chdir("/");
    signal(SIGUSR1, SIG_DFL);
    fd_to_close = open("/dev/null", O_RDONLY);
    ctid = 1, ptid = 0;
    init_tls(tls);
    long need = flags;
    need |= need & CLONE_THREAD ? CLONE_SIGHAND : 0;
    need |= need & CLONE_SIGHAND ? CLONE_VM : 0;
    /* A child in our memory runs on its own thread block. */
    long pid = clone_thread(need | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID |
                                (need & CLONE_VM ? CLONE_SETTLS : 0) | (need & CLONE_THREAD ? 0 : SIGCHLD),
                            stack + 32768, &ptid, tls, &ctid, child, NULL);
    if (pid < 0) {
        printf("%-15s refused: %s\n", name, strerror(-pid));
        return;
    }
    if (need & CLONE_THREAD)
        while (__atomic_load_n(&ctid, __ATOMIC_ACQUIRE))
            usleep(1000);
    else
        waitpid(pid, &st, __WALL);
    getcwd(cwd, sizeof(cwd));
    struct abi_sigaction old;
    syscall_raw(SYS_rt_sigaction, SIGUSR1, 0, (long)&old, 8, 0, 0);
    bool files = fcntl(fd_to_close, F_GETFD, 0) < 0;
    printf("%-15s memory %-7s cwd %-7s files %-7s handlers %-7s pid %-5s parent %s\n", name,
           memory ? "shared" : "copied", strcmp(cwd, "/") ? "shared" : "copied", files ? "shared" : "copied",
           old.handler ? "shared" : "copied",
           shared->tgid == getpid() ? "same"
           : shared->tgid == 1      ? "1"
                                    : "new",
           shared->ppid == getpid()    ? "caller"
           : shared->ppid == getppid() ? "caller's own"
           : shared->ppid == 0         ? "nobody"
                                       : "?");
    if (!files)
        close(fd_to_close);
}

int main(int argc, char **argv) {
    while (options(argc, argv, "", "clonedemo") != -1)
        ;
    stack = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    try("none (fork)", 0);
    try("CLONE_VM", CLONE_VM);
    try("CLONE_FS", CLONE_FS);
    try("CLONE_FILES", CLONE_FILES);
    try("CLONE_SIGHAND", CLONE_SIGHAND);
    try("CLONE_PARENT", CLONE_PARENT | CLONE_VM | CLONE_VFORK);
    try("CLONE_VFORK", CLONE_VFORK);
    try("CLONE_THREAD", CLONE_THREAD);
    try("all of these", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);
    try("CLONE_NEWPID", CLONE_NEWPID);
    return 0;
}
