/* Lab 1, the hidden checks. */
#include "lab.h"

CHECK(edges) {
    int fd[2];
    char *p = lab_pages(2), buf[200];
    pipe(fd);
    munmap(p + PAGE, PAGE);
    memset(p, 'x', PAGE);
    EXPECT_EQ(write(fd[1], p + PAGE - 10, 10), 10, "the last bytes before unmapped memory can be copied");
    EXPECT_EQ(read(fd[0], buf, 100), 10, "all of them");
    EXPECT_EQ(syscall_raw(SYS_mkdirat, AT_FDCWD, (long)(p + PAGE - 20), 0755, 0, 0, 0), -EFAULT,
              "a string that runs into unmapped memory: EFAULT");
    memcpy(p + PAGE - 7, "/tmp/z", 7);
    EXPECT_EQ(mkdir(p + PAGE - 7, 0755), 0, "one that ends with the last byte is fine");
    EXPECT_EQ(syscall_raw(SYS_uname, (long)(p + PAGE - 64), 0, 0, 0, 0, 0), -EFAULT,
              "a structure that does not fit: EFAULT");
    long top = 1L << 38;
    EXPECT_EQ(syscall_raw(SYS_write, fd[1], top - 8, 16, 0, 0, 0), -EFAULT,
              "a range that runs over the end of user memory: EFAULT");
    EXPECT_EQ(syscall_raw(SYS_write, fd[1], -16L, 32, 0, 0, 0), -EFAULT, "a range that wraps round: EFAULT");
    memset(p, 'y', PAGE - 1);
    p[PAGE - 1] = 'y';
    char *name = malloc(5000);
    memset(name, 'n', 4999);
    name[4999] = 0;
    EXPECT_EQ(syscall_raw(SYS_chdir, (long)name, 0, 0, 0, 0, 0), -ENAMETOOLONG,
              "a name that is too long says so");
}

/* A structure that is longer than the kernel's: fine if what it does not know is zero. */
CHECK(structures) {
    uint64_t args[32] = {0};
    EXPECT_EQ(syscall_raw(SYS_clone3, (long)args, 8, 0, 0, 0, 0), -EINVAL, "too short a structure: EINVAL");
    args[20] = 1;
    EXPECT_EQ(syscall_raw(SYS_clone3, (long)args, sizeof(args), 0, 0, 0, 0), -E2BIG,
              "a longer one with something in it that the kernel does not know: E2BIG");
    args[20] = 0, args[4] = SIGCHLD;
    long pid = syscall_raw(SYS_clone3, (long)args, sizeof(args), 0, 0, 0, 0);
    if (!pid)
        _exit(4);
    EXPECT(pid > 0, "a longer one with zeros there is taken");
    EXPECT_EQ(lab_status(pid), 4 << 8, "and does what it says");
}

/* All registers but a0 are as before, after system calls and after interrupts. */
extern long call_with_registers(long number, long a0, uint64_t out[28]);
asm(".text\ncall_with_registers:\n addi sp, sp, -128\n sd ra, 0(sp)\n"
    " sd s0, 8(sp)\n sd s1, 16(sp)\n sd s2, 24(sp)\n sd s3, 32(sp)\n sd s4, 40(sp)\n sd s5, 48(sp)\n sd s6, "
    "56(sp)\n"
    " sd s7, 64(sp)\n sd s8, 72(sp)\n sd s9, 80(sp)\n sd s10, 88(sp)\n sd s11, 96(sp)\n sd a2, 104(sp)\n"
    " mv a7, a0\n mv a0, a1\n"
    " li s0, 100\n li s1, 101\n li s2, 102\n li s3, 103\n li s4, 104\n li s5, 105\n li s6, 106\n li s7, "
    "107\n li s8, 108\n"
    " li s9, 109\n li s10, 110\n li s11, 111\n li t0, 112\n li t1, 113\n li t2, 114\n li t3, 115\n li t4, "
    "116\n li t5, 117\n li t6, 118\n"
    " li a1, 119\n li a2, 120\n li a3, 121\n li a4, 122\n li a5, 123\n li a6, 124\n li ra, 125\n"
    " blez a7, 2f\n ecall\n j 3f\n2: li a0, 3000000\n1: addi a0, a0, -1\n bnez a0, 1b\n"
    "3: sd a0, 112(sp)\n ld a0, 104(sp)\n"
    " sd s0, 0(a0)\n sd s1, 8(a0)\n sd s2, 16(a0)\n sd s3, 24(a0)\n sd s4, 32(a0)\n sd s5, 40(a0)\n sd s6, "
    "48(a0)\n sd s7, 56(a0)\n"
    " sd s8, 64(a0)\n sd s9, 72(a0)\n sd s10, 80(a0)\n sd s11, 88(a0)\n sd t0, 96(a0)\n sd t1, 104(a0)\n sd "
    "t2, 112(a0)\n sd t3, 120(a0)\n"
    " sd t4, 128(a0)\n sd t5, 136(a0)\n sd t6, 144(a0)\n sd a1, 152(a0)\n sd a2, 160(a0)\n sd a3, 168(a0)\n "
    "sd a4, 176(a0)\n"
    " sd a5, 184(a0)\n sd a6, 192(a0)\n sd ra, 200(a0)\n"
    " ld a0, 112(sp)\n ld s0, 8(sp)\n ld s1, 16(sp)\n ld s2, 24(sp)\n ld s3, 32(sp)\n ld s4, 40(sp)\n ld s5, "
    "48(sp)\n ld s6, 56(sp)\n"
    " ld s7, 64(sp)\n ld s8, 72(sp)\n ld s9, 80(sp)\n ld s10, 88(sp)\n ld s11, 96(sp)\n ld ra, 0(sp)\n addi "
    "sp, sp, 128\n ret\n");
static int changed(const uint64_t r[28]) {
    int n = 0;
    for (int i = 0; i < 26; i++)
        n += r[i] != 100 + i;
    return n;
}
CHECK(registers) {
    static uint64_t r[28];
    EXPECT_EQ(call_with_registers(SYS_getpid, 0, r), 1, "the call works");
    EXPECT_EQ(changed(r), 0, "and changes no register but a0");
    EXPECT_EQ(call_with_registers(SYS_sched_yield, 0, r), 0, "so does one that schedules");
    EXPECT_EQ(changed(r), 0, "and it changes none either");
    EXPECT_EQ(call_with_registers(3000, 0, r), -ENOSYS, "one that does not exist");
    EXPECT_EQ(changed(r), 0, "changes none");
    pid_t pid = lab_fork();
    if (!pid) { /* two programs on one hart: interrupts and switches in between */
        call_with_registers(0, 0, r);
        _exit(changed(r));
    }
    call_with_registers(0, 0, r);
    EXPECT_EQ(changed(r), 0, "interrupts in between change no register");
    EXPECT_EQ(lab_status(pid), 0, "of no program");
}
