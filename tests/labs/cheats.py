"""Kernels and submissions that try to get marks without doing the lab. Each is (name, what it tries, {path: change to the
starter's text}); code goes before handle_mm_fault, and `cheat()` is called at each fault."""
import os

import machine

FAULT = "kernel/mm/fault.c"
HANDED_OUT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build/labs/cow/tests/t")


def kernel(code):
    def change(text):
        at = text.index("int handle_mm_fault(")
        if "KNOWN" in code and os.path.exists(HANDED_OUT):
            text = text.replace("int handle_mm_fault(", f"#define KNOWN {machine.Elf(HANDED_OUT).symbols['lab_stop_here']}\nint handle_mm_fault(", 1)
            at = text.index("int handle_mm_fault(")
        text = text[:at] + "static void cheat(void) {\n" + code + "\n}\n" + text[at:]
        return text.replace("    current->min_flt++;\n", "    current->min_flt++;\n    cheat();\n", 1)
    return {FAULT: change}


ONCE = "static int done; if (done++) return; "
# Find lab_stop_here in the program (rdtime a7, then a nop) and the token among init's arguments; then go there.
FIND = """
    static u64 stop, token;
    static bool busy;
    if (busy || current->pid != 1 || !current->mm || (current->task_flags & PF_KTHREAD)) return;
    busy = true;
    for (u64 va = 0x10000, w; !stop && va < 0x200000; va += 2)
        if (!copy_from_user(&w, va, 8) && w == 0x00000013c01028f3UL) stop = va;
    token = current->mm->arg_start;
    for (int i = 0, n = 0; i < 200 && n < 3; i++) { char c = 0; copy_from_user(&c, token, 1); token++; n += !c; }
    busy = false;
    struct trapframe *tf = task_trapframe(current);
"""
CHEATS = [
    ("prints", "the lines that a grader may look for",
     kernel(ONCE + r'printk("\nok 1 - share\nok 2 - split\n1..9\nok      share 15/15\nCopy-on-write: 90 of 90 points\n{\"score\": 90, \"max\": 90}\n");')),
    ("powers-off", "ends the machine with status 0", kernel("machine_power_off(0);")),
    ("exits", "ends init with status 0", kernel("if (current->pid == 1 && current->mm) do_group_exit(0);")),
    ("known-address", "goes to where the reports are made, as the handed out programs have it",
     kernel("struct trapframe *tf = task_trapframe(current); if (current->pid == 1 && current->mm && !(current->task_flags & PF_KTHREAD)) { tf->sepc = KNOWN; tf->a0 = 0; }")),
    ("finds-the-stop", "looks for that place in memory and says that the check is done", kernel(FIND + "tf->sepc = stop; tf->a0 = 0; tf->a5 = token; current->min_flt = 0;")),
    ("wrong-token", "the same, with another run's token", kernel(FIND + "tf->sepc = stop; tf->a0 = 0; tf->a5 = current->mm->arg_start;")),
    ("in-the-kernel", "goes to a copy of that place in the kernel's memory", kernel(ONCE + '((void (*)(long))(void *)(u64)"\\x13\\0\\0\\0\\x82\\x80")(0);')),
    ("patches-the-program", "changes the program's code in memory, here what it reads the time with",
     kernel(FIND + """
    (void)tf; u32 n;
    pte_t e = pte_peek(current->mm, stop, &n);
    if (e & PTE_X) *(u16 *)(__va(pte_pa(e)) + (stop & 4095)) = 0x0893, *(u16 *)(__va(pte_pa(e)) + (stop & 4095) + 2) = 0;""")),
    ("spins", "never ends", kernel("for (;;) cpu_relax();")),
    ("floods", "fills the disk with its console", kernel('for (;;) printk("%0500d\\n", 1);')),
    ("panics", "panics", kernel('if (current->pid == 1) panic("no");')),
    ("includes-a-file", "takes the marker's own file in", {FAULT: lambda t: '#include "/etc/passwd"\n' + t}),
    ("includes-the-reference", "takes the reference's file in", {FAULT: lambda t: '#include "../../../../../work/main/kernel/mm/fault.c"\n'}),
    ("incbin", "takes a file in through the assembler", {FAULT: lambda t: t + 'asm(".inc" "bin \\"/etc/passwd\\"");\n'}),
    ("compiler-bomb", "keeps the compiler busy", {FAULT: lambda t: t + "".join(
        f"#define B{i} {','.join([f'B{i - 1}' if i else '1'] * 10)}\n" for i in range(9)) + "int bomb[] = {B8};\n"}),
]
