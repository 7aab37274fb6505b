/* uname: the system's name; -s -n -r -v -m: its parts in that order, -a: all of them. */
#include <tine.h>

int main(int argc, char **argv) {
    static const char letters[] = "snrvm";
    struct abi_utsname u;
    int c, want = 0;
    while ((c = options(argc, argv, "asnrvm", "uname [-asnrvm]")) != -1)
        want |= c == 'a' ? 31 : 1 << (strchr(letters, c) - letters);
    if (syscall(SYS_uname, &u) < 0)
        die("uname");
    const char *part[] = {u.sysname, u.nodename, u.release, u.version, u.machine};
    const char *between = "";
    for (int i = 0; i < 5; i++)
        if ((want ? want : 1) & 1 << i) {
            printf("%s%s", between, part[i]);
            between = " ";
        }
    putchar('\n');
    return stdout_failed() != 0;
}
