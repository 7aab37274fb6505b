/* poll, epoll, eventfd, timerfd constants of the Linux ABI. */
#pragma once
#include <abi/types.h>
#define POLLIN 0x001
#define POLLPRI 0x002
#define POLLOUT 0x004
#define POLLERR 0x008
#define POLLHUP 0x010
#define POLLNVAL 0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
struct pollfd {
    int32_t fd;
    int16_t events, revents;
};
#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
struct epoll_event {
    uint32_t events;
    uint32_t __pad;
    uint64_t data;
};
#define EFD_SEMAPHORE 1
