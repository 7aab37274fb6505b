/* poweroff: end the machine. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "poweroff") != -1)
        ;
    sync();
    syscall(SYS_reboot, 0xfee1deadL, 672274793L, 0x4321fedcL, NULL);
    die("not allowed");
}
