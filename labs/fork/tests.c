/* Lab 3, the public checks. */
#include "lab.h"

enum { BEFORE, CHILD, AFTER };

CHECK(pid) {
    pid_t me = getpid(), pid = lab_fork();
    if (!pid) {
        EXPECT_NE(getpid(), me, "the child has a pid of its own");
        EXPECT_EQ(getppid(), me, "the child's parent is who forked");
        _exit(42);
    }
    EXPECT(pid > 0, "in the parent fork returns the child's pid");
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid, "the parent can wait for the pid that fork returned");
    EXPECT_EQ(status, 42 << 8, "and gets the child's exit status");
    EXPECT_EQ(getpid(), me, "the parent's pid is as it was");
    EXPECT_ERRNO(waitpid(pid, NULL, 0), ECHILD, "there is one child, not more");
}

static int global = 11, zero[PAGE];
static const char constant[] = "as it was";
CHECK(memory) {
    int local = 22;
    char *heap = malloc(3 * PAGE), *pages = lab_pages(40);
    lab_fill(heap, 3 * PAGE, 3);
    for (int i = 0; i < 40; i += 3)
        lab_fill(pages + i * PAGE, PAGE, i);
    pid_t pid = lab_fork();
    if (!pid) {
        bool all = global == 11 && local == 22 && !zero[500] && !strcmp(constant, "as it was") &&
                   lab_holds(heap, 3 * PAGE, 3);
        for (int i = 0; i < 40; i += 3)
            all &= lab_holds(pages + i * PAGE, PAGE, i) && !pages[(i + 1) % 40 * PAGE + 5 * !((i + 1) % 3)];
        EXPECT(all, "the child finds in its data, stack, heap and mapped memory what the parent had");
        global = local = 99;
        memset(heap, 9, 3 * PAGE);
        memset(pages, 9, 40 * PAGE);
        _exit(local == 99 && pages[39 * PAGE] == 9 ? 0 : 1);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child can store to all of it");
    bool same = global == 11 && local == 22 && lab_holds(heap, 3 * PAGE, 3);
    for (int i = 0; i < 40; i += 3)
        same &= lab_holds(pages + i * PAGE, PAGE, i);
    EXPECT(same, "the child's stores are not in the parent's memory");
}

CHECK(files) {
    int fd[2], keep = open("/tmp/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char c[4] = "", cwd[64] = "";
    pipe(fd);
    write(keep, "abcdef", 6);
    lseek(keep, 0, SEEK_SET);
    mkdir("/tmp/d", 0755);
    chdir("/tmp");
    pid_t pid = lab_fork();
    if (!pid) {
        EXPECT_EQ(read(keep, c, 2), 2, "the child has the parent's open files");
        close(keep);
        close(fd[0]);
        open("/dev/null", O_RDONLY); /* takes a number that is free here */
        chdir("d");
        write(fd[1], "x", 1);
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    EXPECT_EQ(read(fd[0], c, 1), 1,
              "the parent has its end of the pipe still, though the child closed its own");
    EXPECT_EQ(read(keep, c, 2), 2, "the parent's descriptor is open, though the child closed its own");
    EXPECT(c[0] == 'c', "both descriptors are of one open file: its position has moved");
    getcwd(cwd, sizeof(cwd));
    EXPECT(!strcmp(cwd, "/tmp"), "the child's chdir does not move the parent");
}

/* All registers that a call must keep, and those that it need not: the child starts with them too. */
extern long fork_with_registers(uint64_t out[14]);
asm(".text\nfork_with_registers:\n addi sp, sp, -128\n sd ra, 0(sp)\n"
    " sd s0, 8(sp)\n sd s1, 16(sp)\n sd s2, 24(sp)\n sd s3, 32(sp)\n sd s4, 40(sp)\n sd s5, 48(sp)\n sd s6, "
    "56(sp)\n"
    " sd s7, 64(sp)\n sd s8, 72(sp)\n sd s9, 80(sp)\n sd s10, 88(sp)\n sd s11, 96(sp)\n sd a0, 104(sp)\n"
    " li s0, 100\n li s1, 101\n li s2, 102\n li s3, 103\n li s4, 104\n li s5, 105\n li s6, 106\n li s7, "
    "107\n li s8, 108\n"
    " li s9, 109\n li s10, 110\n li s11, 111\n li t3, 112\n li t6, 113\n"
    " li a0, 17\n li a1, 0\n li a2, 0\n li a3, 0\n li a4, 0\n li a7, 220\n ecall\n"
    " ld a1, 104(sp)\n sd s0, 0(a1)\n sd s1, 8(a1)\n sd s2, 16(a1)\n sd s3, 24(a1)\n sd s4, 32(a1)\n sd s5, "
    "40(a1)\n"
    " sd s6, 48(a1)\n sd s7, 56(a1)\n sd s8, 64(a1)\n sd s9, 72(a1)\n sd s10, 80(a1)\n sd s11, 88(a1)\n sd "
    "t3, 96(a1)\n sd t6, 104(a1)\n"
    " ld s0, 8(sp)\n ld s1, 16(sp)\n ld s2, 24(sp)\n ld s3, 32(sp)\n ld s4, 40(sp)\n ld s5, 48(sp)\n ld s6, "
    "56(sp)\n"
    " ld s7, 64(sp)\n ld s8, 72(sp)\n ld s9, 80(sp)\n ld s10, 88(sp)\n ld s11, 96(sp)\n ld ra, 0(sp)\n addi "
    "sp, sp, 128\n ret\n");
CHECK(registers) {
    static uint64_t r[14];
    register double d asm("fs5") = 2.5;
    asm volatile("" : "+f"(d));
    long pid = fork_with_registers(r);
    asm volatile("" : "+f"(d));
    bool all = true;
    for (int i = 0; i < 14; i++)
        all &= r[i] == 100 + i;
    if (!pid) {
        EXPECT(all, "the child goes on with the parent's registers");
        EXPECT(d * 2 == 5.0, "and can compute with floating point");
        _exit(7);
    }
    EXPECT(pid > 0, "the call returns the child's pid to the parent");
    EXPECT(all, "the parent's registers are as they were");
    EXPECT_EQ(lab_status(pid), 7 << 8, "the child came back from the same call");
}

CHECK(shared_mapping) {
    char *s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
         *p = lab_pages(1);
    s[0] = 1, p[0] = 1;
    HOST_PTE(BEFORE, s);
    pid_t pid = lab_fork();
    if (!pid) {
        s[1] = 2, p[1] = 2, s[PAGE] = 3; /* the last was touched by nobody before */
        HOST_PTE(CHILD, s);
        HOST_SAME_FRAME(BEFORE, CHILD, "a shared mapping is the same memory in the child");
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    EXPECT_EQ(s[1], 2, "its stores to a shared mapping are seen");
    EXPECT_EQ(s[PAGE], 3, "also to a page of it that was untouched at the fork");
    EXPECT_EQ(p[1], 0, "its stores to private memory are not");
}
