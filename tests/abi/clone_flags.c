/* C1: combinations that are refused; C15 to C18: what is shared and what is not. */
#include "ktap.h"

static int var, fd;
static char stack[65536] __attribute__((aligned(16)));
static int child(void *arg) {
    (void)arg;
    var = 2;
    chdir("/tmp");
    close(fd);
    signal(SIGUSR1, SIG_IGN);
    return 0;
}
static void run(int flags) {
    int st;
    var = 1;
    chdir("/");
    fd = open("/dev/null", O_RDONLY);
    signal(SIGUSR1, SIG_DFL);
    pid_t p = clone(child, stack + sizeof(stack), flags | SIGCHLD, NULL);
    waitpid(p, &st, 0);
}
static int shared_cwd(void) {
    char b[64];
    return strcmp(getcwd(b, sizeof(b)), "/") != 0;
}
static int shared_files(void) { return fcntl(fd, F_GETFD) < 0; }
static int shared_handlers(void) {
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    return a.sa_handler == SIG_IGN;
}

int main(void) {
    printf("KTAP version 1\n");
    FAILS(raw_clone(CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL, "C1: THREAD without SIGHAND");
    FAILS(raw_clone(CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL, "C1: SIGHAND without VM");
    FAILS(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL, "C1: NEWNS with FS");
    FAILS(raw_clone(CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0), EINVAL, "C1: NEWIPC with SYSVSEM");
    FAILS(raw_clone(CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL, "C1: NEWUSER with FS");
    FAILS(raw_clone(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID, 0, 0, 0, 0), EINVAL,
          "C1: THREAD with NEWPID");
    FAILS(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &var, 0, 0), EINVAL,
          "C1: PIDFD with PARENT_SETTID in clone");
    run(0);
    OK(var == 1 && !shared_cwd() && !shared_files() && !shared_handlers(), "C15 to C18: fork shares none");
    run(CLONE_VM);
    OK(var == 2 && !shared_cwd() && !shared_files() && !shared_handlers(),
       "C18: CLONE_VM shares memory alone");
    run(CLONE_FS);
    OK(var == 1 && shared_cwd() && !shared_files(), "C16: CLONE_FS shares the working directory");
    run(CLONE_FILES);
    OK(var == 1 && !shared_cwd() && shared_files(), "C15: CLONE_FILES shares descriptors");
    run(CLONE_VM | CLONE_SIGHAND);
    OK(shared_handlers(), "C17: CLONE_SIGHAND shares handlers");

    int p[2], st;
    char b[4] = {0};
    pipe(p);
    fd = open("/proc/self/exe", O_RDONLY);
    lseek(fd, 5, SEEK_SET);
    pid_t pid = fork();
    if (!pid) {
        lseek(fd, 11, SEEK_SET);
        _exit(0);
    }
    waitpid(pid, &st, 0);
    OK(lseek(fd, 0, SEEK_CUR) == 11, "C15: a copied table shares file offsets");

    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[0] = m[4096] = 1;
    madvise(m, 4096, 18 /* WIPEONFORK */);
    madvise(m + 4096, 4096, 10 /* DONTFORK */);
    pid = fork();
    if (!pid) {
        unsigned char vec;
        (void)vec;
        b[0] = m[0];
        int pfd[2];
        pipe(pfd);
        int gone = write(pfd[1], m + 4096, 1) == -1 && errno == EFAULT;
        _exit(b[0] == 0 && gone ? 0 : 1);
    }
    waitpid(pid, &st, 0);
    OK(st == 0 && m[0] == 1 && m[4096] == 1, "C18: WIPEONFORK is zero and DONTFORK is gone in the child");
    char *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid = fork();
    if (!pid) {
        s[0] = 77;
        _exit(0);
    }
    waitpid(pid, &st, 0);
    OK(s[0] == 77, "C18: MAP_SHARED stays shared");
    return ktap_done();
}
