/* Lab 1, the public checks. */
#include "lab.h"

CHECK(calls) {
    EXPECT_EQ(syscall_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), 1,
              "a system call returns its value in a0: getpid is 1 here");
    EXPECT_EQ(syscall_raw(SYS_getppid, 0, 0, 0, 0, 0, 0), 0, "another one returns another: getppid is 0");
    EXPECT_EQ(syscall_raw(SYS_close, 77, 0, 0, 0, 0, 0), -EBADF, "an error is a negative number");
    int fd[2];
    EXPECT_EQ(syscall_raw(SYS_pipe2, (long)fd, 0, 0, 0, 0, 0), 0, "a call can give things back in memory");
    EXPECT(fd[0] >= 3 && fd[1] > fd[0], "which arrive there");
    char *p = (char *)syscall_raw(SYS_mmap, 0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                  -1, 0);
    EXPECT((long)p > 0, "a call with six arguments gets all of them");
    p[PAGE] = 1;
    EXPECT_EQ(syscall_raw(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), -EINVAL,
              "the sixth too");
}

CHECK(unknown) {
    static const long numbers[] = {1000, 459,   460,      461, 511,      512,          1023,
                                   1500, 99999, 1L << 32, -1,  1L << 62, (long)1 << 63};
    int wrong = 0;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        wrong += syscall_raw(numbers[i], 1, 2, 3, 4, 5, 6) != -ENOSYS;
    EXPECT_EQ(wrong, 0, "a call that does not exist fails with ENOSYS, whatever its number is");
    EXPECT_EQ(getpid(), 1, "and calls that exist still work");
}

CHECK(copies) {
    static char from[3 * PAGE], to[3 * PAGE];
    int fd[2], bad = 0;
    pipe(fd);
    lab_fill(from, sizeof(from), 5);
    for (int k = 0; k < 40; k++) {
        int a = k * 37 % 71, b = k * 53 % 67, n = 1 + k * 199 % 4000;
        memset(to, 0, sizeof(to));
        bad += write(fd[1], from + a, n) != n || read(fd[0], to + b, n) != n;
        bad += memcmp(to + b, from + a, n) != 0 || to[b + n] || (b && to[b - 1]);
    }
    EXPECT_EQ(bad, 0,
              "bytes go into the kernel and come back as they were, wherever they lie and however many");
    char dir[100];
    EXPECT_EQ(mkdir("/tmp/a-directory-with-a-long-name", 0755), 0, "a string goes in");
    chdir("/tmp/a-directory-with-a-long-name");
    EXPECT(getcwd(dir, sizeof(dir)) && !strcmp(dir, "/tmp/a-directory-with-a-long-name"), "and comes back");
    struct {
        void *base;
        size_t len;
    } v[3] = {{from, 5}, {from + 100, 0}, {from + PAGE - 3, 9}};
    EXPECT_EQ(syscall(SYS_writev, fd[1], v, 3), 14, "several pieces go in as one");
    EXPECT(read(fd[0], to, 100) == 14 && !memcmp(to, from, 5) && !memcmp(to + 5, from + PAGE - 3, 9),
           "in their order");
}

CHECK(bad_pointers) {
    int fd[2], wrong = 0;
    char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pipe(fd);
    write(fd[1], "0123456789", 10);
    const long bad[] = {0, 8, 0x7000000000, -1, -4096, (long)0xffffffc080200000UL, 1L << 38, 1L << 62};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wrong += syscall_raw(SYS_read, fd[0], bad[i], 5, 0, 0, 0) != -EFAULT;
        wrong += syscall_raw(SYS_write, fd[1], bad[i], 5, 0, 0, 0) != -EFAULT;
        wrong += syscall_raw(SYS_uname, bad[i], 0, 0, 0, 0, 0) != -EFAULT;
        wrong += syscall_raw(SYS_chdir, bad[i], 0, 0, 0, 0, 0) != -EFAULT;
        wrong += syscall_raw(SYS_clone3, bad[i], 88, 0, 0, 0, 0) != -EFAULT;
    }
    EXPECT_EQ(wrong, 0, "a pointer to nowhere, or into the kernel, gives EFAULT");
    EXPECT_EQ(syscall_raw(SYS_read, fd[0], (long)ro, 5, 0, 0, 0), -EFAULT,
              "so does a store to memory that the program may not write to");
    EXPECT_EQ(syscall_raw(SYS_write, fd[1], (long)ro, 5, 0, 0, 0), 5, "from which the kernel can read");
    EXPECT_EQ(getpid(), 1, "and all goes on");
}
