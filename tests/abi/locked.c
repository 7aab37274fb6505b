/* C18: mlock, mlockall and what they count against; a child has nothing locked. */
#include "ktap.h"

static long vm_lck(void) {
    char b[4096] = {0};
    int fd = open("/proc/self/status", O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    char *p = strstr(b, "VmLck:");
    return p ? atol(p + 6) : -1;
}
static int child(int (*fn)(char *), char *m) {
    int st;
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(fn(m));
    waitpid(p, &st, 0);
    return st;
}
static int nothing_locked(char *m) {
    m[0] = 1;
    return vm_lck() != 0 || madvise(m, 4096, MADV_DONTNEED) != 0;
}
static int as_user(char *m) {
    struct rlimit r = {64 << 10, 64 << 10};
    int bad = 0;
    setrlimit(RLIMIT_MEMLOCK, &r);
    if (setuid(1000))
        return 99;
    bad |= mlock(m, 60 << 10) != 0 ? 1 : 0;
    bad |= mlock(m, 60 << 10) != 0 ? 2 : 0; /* what is locked already does not count twice */
    bad |= !(mlock(m, 128 << 10) == -1 && errno == ENOMEM) ? 4 : 0;
    bad |= !(mmap(NULL, 128 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) ==
                 MAP_FAILED &&
             errno == EAGAIN)
               ? 8
               : 0;
    bad |= munlock(m, 60 << 10) != 0 || vm_lck() != 0 ? 16 : 0;
    return bad;
}
static int without_right(char *m) {
    struct rlimit r = {0, 0};
    setrlimit(RLIMIT_MEMLOCK, &r);
    if (setuid(1000))
        return 99;
    return !(mlock(m, 4096) == -1 && errno == EPERM && mlockall(MCL_CURRENT) == -1 && errno == EPERM);
}
static int all(char *m) {
    (void)m;
    if (mlockall(MCL_CURRENT | MCL_FUTURE))
        return 1;
    long before = vm_lck();
    char *n = mmap(NULL, 40 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (before <= 0 || n == MAP_FAILED || vm_lck() < before + 40)
        return 2;
    return munlockall() || vm_lck() != 0 ? 3 : 0;
}

int main(void) {
    printf("KTAP version 1\n");
    char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct rusage a, b;
    OK(vm_lck() == 0, "nothing is locked at first");
    OK(mlock(m, 256 << 10) == 0 && vm_lck() == 256, "mlock: counted in VmLck");
    getrusage(RUSAGE_SELF, &a);
    for (int i = 0; i < 64; i++)
        m[i * 4096] = i;
    getrusage(RUSAGE_SELF, &b);
    OK(b.ru_minflt - a.ru_minflt <= 1, "and resident: stores fault no more");
    FAILS(madvise(m, 4096, MADV_DONTNEED), EINVAL, "MADV_DONTNEED of locked memory: EINVAL");
    OK(child(nothing_locked, m) == 0, "C18: a child has nothing locked");
    OK(munlock(m + 4096, 4096) == 0 && vm_lck() == 252, "munlock of a part");
    OK(munlock(m, 1 << 20) == 0 && vm_lck() == 0, "munlock of all");
    FAILS(mlock(m + (1 << 20) - 4096, 1 << 30), ENOMEM, "mlock of what is not mapped: ENOMEM");
    munlock(m, 1 << 20); /* Linux has locked what is there */
    FAILS(syscall(SYS_mlock2, m, 4096, 2), EINVAL, "mlock2 with an unknown flag: EINVAL");
    OK(syscall(SYS_mlock2, m, 4096, 1) == 0 && vm_lck() == 4 && munlock(m, 4096) == 0,
       "mlock2 with MLOCK_ONFAULT");
    FAILS(mlockall(0), EINVAL, "mlockall of nothing: EINVAL");
    OK(child(as_user, m) == 0, "RLIMIT_MEMLOCK holds for a user");
    OK(child(without_right, m) == 0, "and is EPERM where it is 0");
    OK(child(all, m) == 0, "mlockall, now and for what comes");
    OK(vm_lck() == 0, "none of that came back to the parent");
    return ktap_done();
}
