/* reboot: start the machine anew. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "reboot") != -1)
        ;
    sync();
    syscall(SYS_reboot, 0xfee1deadL, 672274793L, 0x01234567L, NULL);
    die("not allowed");
}
