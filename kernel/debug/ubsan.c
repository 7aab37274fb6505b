/* UBSAN: the compiler calls these where the checked build (DEBUG=1) does what C does not define. Each gets a
 * pointer to a structure that begins with the place in the source. */
#include "debug.h"

struct source_location {
    const char *file;
    u32 line, column;
};
#define HANDLER(name, what)                                                                                  \
    void __ubsan_handle_##name(struct source_location *at) {                                                 \
        panic("UBSAN: %s at %s:%u:%u", what, at->file, at->line, at->column);                                \
    }
HANDLER(add_overflow, "signed overflow in an addition")
HANDLER(sub_overflow, "signed overflow in a subtraction")
HANDLER(mul_overflow, "signed overflow in a multiplication")
HANDLER(negate_overflow, "signed overflow in a negation")
HANDLER(divrem_overflow, "a division by zero, or one that overflows")
HANDLER(shift_out_of_bounds, "a shift by too much, or of a negative number")
HANDLER(out_of_bounds, "an index past an array's end")
HANDLER(load_invalid_value, "a bool or enum with a value it cannot have")
HANDLER(builtin_unreachable, "the end of a path that was said to have none")
HANDLER(vla_bound_not_positive, "an array of no or negative size")
HANDLER(type_mismatch_v1, "a null or misaligned pointer, or too small an object")
