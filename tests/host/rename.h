/* The kernel's string functions under names of their own, beside the host's. */
#define memset k_memset
#define memcpy k_memcpy
#define memmove k_memmove
#define memcmp k_memcmp
#define strlen k_strlen
#define strnlen k_strnlen
#define strcmp k_strcmp
#define strncmp k_strncmp
#define strchr k_strchr
#define strrchr k_strrchr
#define strlcpy k_strlcpy
#define strtoul k_strtoul
#define vsnprintf k_vsnprintf
#define snprintf k_snprintf
