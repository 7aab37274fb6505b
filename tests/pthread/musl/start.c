/* The first instructions of a program that uses musl's shared library: Debian 12's linker cannot read
 * trixie's crt1.o. */
int main(int argc, char **argv, char **envp);
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*ld)(void));
void begin(long *stack) { __libc_start_main(main, stack[0], (char **)(stack + 1), 0, 0, 0); }
__asm__(".globl _start\n_start: mv a0, sp\n andi sp, sp, -16\n tail begin\n");
