/* forkdemo: fork with bare ecall instructions, no library between (row E6). */
#include <tine.h>

static long ecall(long n, long a, long b, long c, long d) {
    register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
    return a0;
}
static void say(const char *s) { ecall(SYS_write, 1, (long)s, strlen(s), 0); }
int main(int argc, char **argv) {
    char line[64];
    int status;
    while (options(argc, argv, "", "forkdemo") != -1)
        ;
    long pid = ecall(SYS_fork, 0, 0, 0, 0);
    if (pid < 0)
        return 1;
    if (pid == 0) {
        say("I am the child: fork gave me 0\n");
        ecall(SYS_exit, 42, 0, 0, 0);
    }
    snprintf(line, sizeof(line), "I am the parent: fork gave me %ld\n", pid);
    say(line);
    if (ecall(SYS_wait4, pid, (long)&status, 0, 0) != pid)
        return 1;
    snprintf(line, sizeof(line), "the child left with status %d\n", WEXITSTATUS(status));
    say(line);
    say("Child Complete!\n");
    return WEXITSTATUS(status) != 42;
}
