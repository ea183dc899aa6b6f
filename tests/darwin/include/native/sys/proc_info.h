/*  proc_info.h - process and socket structs of macOS, for compiling macOS sources natively
 *
 *  Held against Apple's by layout.c; what the suite does not look at is left as bytes.
 */
#ifndef MLX_TESTS_PROC_INFO_H
#define MLX_TESTS_PROC_INFO_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#define MAXCOMLEN 16

#define PROC_ALL_PIDS 1
#define PROC_PIDLISTFDS 1
#define PROC_PIDTBSDINFO 3
#define PROC_PIDT_SHORTBSDINFO 13
#define PROC_PIDFDSOCKETINFO 3
#define PROX_FDTYPE_SOCKET 2
#define SOCKINFO_TCP 2
#define TSI_S_LISTEN 1
#define INI_IPV4 0x1
#define INI_IPV6 0x2

struct proc_bsdshortinfo {
    uint32_t pbsi_pid;
    uint32_t pbsi_ppid;
    uint32_t pbsi_pgid;
    uint32_t pbsi_status;
    char pbsi_comm[MAXCOMLEN];
    uint32_t pbsi_flags;
    uid_t pbsi_uid;
    gid_t pbsi_gid;
    uid_t pbsi_ruid;
    gid_t pbsi_rgid;
    uid_t pbsi_svuid;
    gid_t pbsi_svgid;
    uint32_t pbsi_rfu;
};

struct proc_bsdinfo {
    uint32_t pbi_head[12]; /* flags, numbers and users */
    char pbi_comm[MAXCOMLEN];
    char pbi_name[2 * MAXCOMLEN];
    uint32_t pbi_rest[6]; /* files, groups, terminal, nice */
    uint64_t pbi_start_tvsec;
    uint64_t pbi_start_tvusec;
};

struct proc_fdinfo {
    int32_t proc_fd;
    uint32_t proc_fdtype;
};

struct in4in6_addr {
    uint32_t i46a_pad32[3];
    struct in_addr i46a_addr4;
};

struct in_sockinfo {
    int insi_fport;
    int insi_lport;
    uint64_t insi_gencnt;
    uint32_t insi_flags;
    uint32_t insi_flow;
    uint8_t insi_vflag;
    uint8_t insi_ip_ttl;
    uint32_t rfu_1;
    union {
        struct in4in6_addr ina_46;
        struct in6_addr ina_6;
    } insi_faddr;
    union {
        struct in4in6_addr ina_46;
        struct in6_addr ina_6;
    } insi_laddr;
    unsigned char insi_v4[1];
    struct {
        uint8_t in6_hlim;
        int in6_cksum;
        unsigned short in6_ifindex;
        short in6_hops;
    } insi_v6;
};

struct tcp_sockinfo {
    struct in_sockinfo tcpsi_ini;
    int tcpsi_state;
    int tcpsi_timer[4];
    int tcpsi_mss;
    uint32_t tcpsi_flags;
    uint32_t rfu_1;
    uint64_t tcpsi_tp;
};

struct socket_info {
    uint64_t soi_head[29]; /* stat, options, buffers */
    int soi_kind;
    uint32_t rfu_1;
    union {
        struct in_sockinfo pri_in;
        struct tcp_sockinfo pri_tcp;
        uint64_t pri_largest[66]; /* un_sockinfo */
    } soi_proto;
};

struct socket_fdinfo {
    uint64_t pfi[3];
    struct socket_info psi;
};

#endif
