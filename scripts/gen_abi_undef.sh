#!/bin/sh
# Writes an #undef of every name that the ABI's headers define: user/include/tine.h includes it between
# the libc's headers and ours, so that ours hold whatever a libc has of the same name.
echo '/* Made by scripts/gen_abi_undef.sh. */'
sed -n 's/^# *define  *\([A-Za-z_][A-Za-z_0-9]*\).*/#undef \1/p' "$@" | sort -u
