/* C11: acct(2), and what is counted for each process: /proc/PID/io. */
#include "ktap.h"

struct record {
    uint8_t flag, version;
    uint16_t tty;
    uint32_t exitcode, uid, gid, pid, ppid, btime;
    float etime;
    uint16_t utime, stime, mem, io, rw, minflt, majflt, swaps;
    char comm[16];
};
static int st;
static double comp(uint16_t c) { return (double)(c & 0x1fff) * (1UL << 3 * (c >> 13)); }
static struct record last(const char *comm) {
    struct record r = {0}, one;
    int fd = open("/tmp/acct", O_RDONLY);
    while (read(fd, &one, sizeof(one)) == sizeof(one))
        if (!strncmp(one.comm, comm, 15))
            r = one;
    close(fd);
    return r;
}
struct io {
    long rchar, wchar, syscr, syscw, read_bytes, write_bytes;
};
static struct io io_of(const char *path) {
    struct io i = {-1, -1, -1, -1, -1, -1};
    char b[512] = "";
    int fd = open(path, O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    sscanf(b, "rchar: %ld\nwchar: %ld\nsyscr: %ld\nsyscw: %ld\nread_bytes: %ld\nwrite_bytes: %ld", &i.rchar,
           &i.wchar, &i.syscr, &i.syscw, &i.read_bytes, &i.write_bytes);
    return i;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        volatile char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise((void *)p, 64 << 20, MADV_NOHUGEPAGE);
        for (int i = 0; i < 1000; i++)
            p[i * 4096] = 1;
        for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;)
            ;
        return 7;
    }
    printf("KTAP version 1\n");
    mkdir("/tmp", 0777);
    FAILS(syscall(SYS_acct, "/tmp/acct_none"), ENOENT, "acct of no file: ENOENT");
    FAILS(syscall(SYS_acct, "/tmp"), EISDIR, "of a directory: EISDIR");
    FAILS(syscall(SYS_acct, "/dev/null"), EACCES, "of a device: EACCES");
    close(open("/tmp/acct", O_CREAT | O_TRUNC | O_RDWR, 0600));
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        _exit(syscall(SYS_acct, "/tmp/acct") == -1 && errno == EPERM);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 1, "without the right: EPERM");
    OK(!syscall(SYS_acct, "/tmp/acct"), "acct");
    time_t now = time(NULL);
    p = fork();
    if (!p) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        execl("/proc/self/exe", "accounting", "works", NULL);
    }
    waitpid(p, &st, 0);
    struct record r = last("exe"); /* what exec was told to run */
    if (!r.version)
        r = last("t"), r = r.version ? r : last("accounting");
    OK((r.version & 15) == 3 && r.pid == (uint32_t)p && r.ppid == (uint32_t)getpid() && r.uid == 1000 &&
           r.gid == 1000,
       "a record of who");
    OK(r.exitcode == 7 << 8 && !(r.flag & 1), "of how it ended");
    OK(r.btime + 2 >= now && r.btime <= now + 3, "when it began");
    OK(r.etime >= 9 && r.etime < 3000 && comp(r.utime) + comp(r.stime) >= 9 &&
           comp(r.utime) + comp(r.stime) <= r.etime + 2,
       "how long it took, in hundredths");
    OK(comp(r.minflt) >= 1000 && comp(r.minflt) < 3000 && comp(r.mem) > 60000, "and what memory");
    p = fork();
    if (!p)
        kill(getpid(), SIGKILL);
    waitpid(p, &st, 0);
    char own[16] = {0};
    int fd = open("/proc/self/comm", O_RDONLY);
    read(fd, own, 15);
    close(fd);
    *strchrnul(own, '\n') = 0;
    r = last(own);
    OK(r.pid == (uint32_t)p && (r.flag & 1) && (r.flag & 16) && r.exitcode == SIGKILL,
       "no exec, and a signal: in the flags");
    OK(!syscall(SYS_acct, NULL), "acct off");
    p = fork();
    if (!p)
        _exit(0);
    waitpid(p, &st, 0);
    r = last(own);
    OK(r.pid != (uint32_t)p, "nothing is written any more");
    unlink("/tmp/acct");

    struct io a = io_of("/proc/self/io"), b;
    char buf[3000] = "";
    int pipes[2];
    pipe(pipes);
    write(pipes[1], buf, 3000);
    read(pipes[0], buf, 1000);
    read(pipes[0], buf, 2000);
    b = io_of("/proc/self/io");
    OK(b.wchar - a.wchar == 3000 && b.syscw - a.syscw == 1, "/proc/PID/io: what was written");
    OK(b.rchar - a.rchar > 3000 && b.rchar - a.rchar < 3300 && b.syscr - a.syscr == 3,
       "and read, the reading of this file with it");
    p = fork();
    if (!p) {
        struct io c = io_of("/proc/self/io");
        _exit(c.rchar == 0 && c.wchar == 0 && c.syscw == 0 ? 5 : 1);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 5, "C11: a child begins with nothing");
    return ktap_done();
}
