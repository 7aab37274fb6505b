/* dmesg: the kernel log. */
#include <tine.h>

int main(int argc, char **argv) {
    static char b[1 << 17];
    while (options(argc, argv, "", "dmesg") != -1)
        ;
    long n = syscall(SYS_syslog, 3, b, sizeof(b));
    if (n < 0)
        die("the log cannot be read");
    write(1, b, n);
    return 0;
}
