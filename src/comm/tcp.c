/* tcp.c - a star of connections. Sums are formed by the first rank, in the order of the ranks, so
 * that all get the same bits. */
#define _GNU_SOURCE
#include "comm/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    WAIT_SECONDS = 60,     /* for the others at the start */
    SILENCE_SECONDS = 20,  /* of a host that is gone */
    PENDING_MAX = 512,     /* sums that are started and not finished */
    PIECE_BYTES = 1 << 20, /* of a message that is added up */
    HOST_NAME_BYTES = 64,
};

typedef struct pending {
    void *data;
    int64_t count;
    csctrl_dtype dtype;
} pending;

typedef struct star {
    int rank, size;
    int *peers; /* of the first rank: one a rank, its own not used; of the others: [0] alone */
    pending pending[PENDING_MAX];
    int pending_count;
    double piece[PIECE_BYTES / sizeof(double)];
} star;

/* What one says to the other when it connects. */
typedef struct greeting {
    char magic[8];
    int32_t rank, size;
} greeting;

static const char magic[8] = "csctrl1";

/* ---- bytes */

static csctrl_status send_all(int socket, const void *data, size_t bytes)
{
    const unsigned char *from = data;

    while (bytes > 0) {
        const ssize_t sent = send(socket, from, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return CSCTRL_E_IO;
        from += sent;
        bytes -= (size_t)sent;
    }
    return CSCTRL_OK;
}

static csctrl_status receive_all(int socket, void *data, size_t bytes)
{
    unsigned char *to = data;

    while (bytes > 0) {
        const ssize_t got = recv(socket, to, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return CSCTRL_E_IO;
        to += got;
        bytes -= (size_t)got;
    }
    return CSCTRL_OK;
}

/* ---- messages */

static void add(void *to, const void *from, size_t bytes, csctrl_dtype dtype)
{
    const size_t count = bytes / csctrl_dtype_size(dtype);

    for (size_t i = 0; i < count; i++)
        if (dtype == CSCTRL_F64)
            ((double *)to)[i] += ((const double *)from)[i];
        else
            ((float *)to)[i] += ((const float *)from)[i];
}

static csctrl_status sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    star *s = state;
    const size_t all = (size_t)count * csctrl_dtype_size(dtype);

    if (s->rank > 0) {
        CT_TRY(send_all(s->peers[0], data, all));
        return receive_all(s->peers[0], data, all);
    }
    for (int r = 1; r < s->size; r++)
        for (size_t at = 0; at < all; at += PIECE_BYTES) {
            const size_t bytes = all - at < PIECE_BYTES ? all - at : PIECE_BYTES;
            CT_TRY(receive_all(s->peers[r], s->piece, bytes));
            add((unsigned char *)data + at, s->piece, bytes, dtype);
        }
    for (int r = 1; r < s->size; r++)
        CT_TRY(send_all(s->peers[r], data, all));
    return CSCTRL_OK;
}

static csctrl_status finish_sums(void *state)
{
    star *s = state;

    for (int i = 0; i < s->pending_count; i++)
        CT_TRY(sum(s, s->pending[i].data, s->pending[i].count, s->pending[i].dtype));
    s->pending_count = 0;
    return CSCTRL_OK;
}

static csctrl_status start_sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    star *s = state;

    if (s->pending_count == PENDING_MAX)
        CT_TRY(finish_sums(s));
    s->pending[s->pending_count++] = (pending){data, count, dtype};
    return CSCTRL_OK;
}

static csctrl_status gather(void *state, void *all, size_t bytes)
{
    const star *s = state;
    unsigned char *const parts = all;

    if (s->rank > 0) {
        CT_TRY(send_all(s->peers[0], parts + (size_t)s->rank * bytes, bytes));
        return receive_all(s->peers[0], all, bytes * (size_t)s->size);
    }
    for (int r = 1; r < s->size; r++)
        CT_TRY(receive_all(s->peers[r], parts + (size_t)r * bytes, bytes));
    for (int r = 1; r < s->size; r++)
        CT_TRY(send_all(s->peers[r], all, bytes * (size_t)s->size));
    return CSCTRL_OK;
}

static void close_star(void *state)
{
    star *s = state;
    const int peers = s->rank == 0 ? s->size : 1;

    for (int i = 0; i < peers && s->peers != NULL; i++)
        if (s->peers[i] >= 0)
            close(s->peers[i]);
    ct_free(s->peers);
    ct_free(s);
}

/* The others wait for a message of this rank, and read the end of it. */
static const ct_comm_ops ops = {
    .sum = sum,
    .start_sum = start_sum,
    .finish_sums = finish_sums,
    .gather = gather,
    .close = close_star,
    .abort = close_star,
};

/* ---- connecting */

/* A host that is gone is noticed though nothing is sent; small messages go at once. */
static void set_options(int socket)
{
    const int on = 1, idle = SILENCE_SECONDS / 2, interval = SILENCE_SECONDS / 4, probes = 2;

    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static csctrl_status resolve(const char *address, bool listens, struct addrinfo **found)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = listens ? AI_PASSIVE : 0};
    const char *const colon = strrchr(address, ':');
    char host[256];
    long long port = 0;

    if (colon == NULL || colon == address || colon[1] == '\0' ||
        (size_t)(colon - address) >= sizeof host)
        return ct_fail(CSCTRL_E_CONFIG,
                       "parallel.address: expected host:port of the first rank, found '%s'",
                       address);
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    if (ct_parse_int(colon + 1, &port) && port > UINT16_MAX)
        return ct_fail(CSCTRL_E_CONFIG,
                       "parallel.address: expected a port of at most %d, found '%s'", UINT16_MAX,
                       address);
    const int error = getaddrinfo(host, colon + 1, &hints, found);
    return error == 0
               ? CSCTRL_OK
               : ct_fail(CSCTRL_E_IO, "parallel.address %s: %s", address, gai_strerror(error));
}

/* A greeting, from somebody who may not be one of us. */
static bool is_rank(const star *s, const greeting *g)
{
    return memcmp(g->magic, magic, sizeof magic) == 0 && g->size == s->size && g->rank > 0 &&
           g->rank < s->size && s->peers[g->rank] < 0;
}

/* One who has come within a second, or nobody. */
static void take_one(star *s, int listener, int *come)
{
    const struct timeval patience = {.tv_sec = 5};
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    greeting g;

    if (poll(&waiting, 1, 1000) <= 0)
        return;
    const int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0)
        return;
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (receive_all(peer, &g, sizeof g) != CSCTRL_OK || !is_rank(s, &g) ||
        send_all(peer, &g, sizeof g) != CSCTRL_OK) {
        close(peer);
        return;
    }
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0}, sizeof patience);
    set_options(peer);
    s->peers[g.rank] = peer;
    ++*come;
}

static csctrl_status wait_for_others(star *s, const char *address, int listener)
{
    const double until = ct_now() + WAIT_SECONDS;
    int come = 1;

    while (come < s->size && ct_now() < until)
        take_one(s, listener, &come);
    return come == s->size
               ? CSCTRL_OK
               : ct_fail(
                     CSCTRL_E_IO,
                     "parallel.address %s: only %d of %d ranks came in %d s; start all with the "
                     "same parallel.ranks",
                     address, come, s->size, WAIT_SECONDS);
}

static csctrl_status listen_there(star *s, const char *address, const struct addrinfo *where)
{
    const int on = 1;
    const int listener =
        socket(where->ai_family, where->ai_socktype | SOCK_CLOEXEC, where->ai_protocol);

    if (listener < 0)
        return ct_fail(CSCTRL_E_IO, "parallel.address %s: %s", address, strerror(errno));
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    csctrl_status status = CSCTRL_OK;
    if (bind(listener, where->ai_addr, where->ai_addrlen) != 0 || listen(listener, s->size) != 0)
        status = ct_fail(CSCTRL_E_IO, "parallel.address %s: the first rank cannot listen there: %s",
                         address, strerror(errno));
    if (status == CSCTRL_OK)
        status = wait_for_others(s, address, listener);
    close(listener);
    return status;
}

/* Until the first rank is there and has taken this one. */
static csctrl_status connect_there(star *s, const char *address, const struct addrinfo *where)
{
    const double until = ct_now() + WAIT_SECONDS;
    greeting g = {.rank = s->rank, .size = s->size}, answer;

    memcpy(g.magic, magic, sizeof magic);
    while (ct_now() < until) {
        const int peer =
            socket(where->ai_family, where->ai_socktype | SOCK_CLOEXEC, where->ai_protocol);
        if (peer >= 0 && connect(peer, where->ai_addr, where->ai_addrlen) == 0 &&
            send_all(peer, &g, sizeof g) == CSCTRL_OK &&
            receive_all(peer, &answer, sizeof answer) == CSCTRL_OK &&
            memcmp(&answer, &g, sizeof g) == 0) {
            set_options(peer);
            s->peers[0] = peer;
            return CSCTRL_OK;
        }
        if (peer >= 0)
            close(peer);
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return ct_fail(CSCTRL_E_IO,
                   "parallel.address %s: rank %d of %d was not taken in by the first rank in %d s; "
                   "start all with the same parallel.ranks, each with a parallel.rank of its own",
                   address, s->rank, s->size, WAIT_SECONDS);
}

/* How many ranks are on this host, and which of them this one is. */
static csctrl_status count_local(ct_comm *comm)
{
    char *const names = ct_calloc((size_t)comm->size, HOST_NAME_BYTES);
    const char *const own = names + (size_t)comm->rank * HOST_NAME_BYTES;

    if (names == NULL)
        return CSCTRL_E_NOMEM;
    (void)gethostname(names + (size_t)comm->rank * HOST_NAME_BYTES, HOST_NAME_BYTES - 1);
    const csctrl_status status = gather(comm->state, names, HOST_NAME_BYTES);
    comm->local_size = comm->local_rank = 0;
    for (int r = 0; r < comm->size && status == CSCTRL_OK; r++)
        if (strcmp(names + (size_t)r * HOST_NAME_BYTES, own) == 0) {
            comm->local_rank += r < comm->rank;
            comm->local_size++;
        }
    comm->sharers = comm->local_size;
    ct_free(names);
    return status;
}

static csctrl_status meet(star *s, const char *address)
{
    struct addrinfo *where = NULL;

    for (int i = 0; i < s->size; i++)
        s->peers[i] = -1;
    CT_TRY(resolve(address, s->rank == 0, &where));
    const csctrl_status status =
        s->rank == 0 ? listen_there(s, address, where) : connect_there(s, address, where);
    freeaddrinfo(where);
    return status;
}

csctrl_status ct_tcp_open(ct_comm *comm, const char *address, int rank, int ranks)
{
    if (ranks < 1 || rank < 0 || rank >= ranks)
        return ct_fail(CSCTRL_E_CONFIG,
                       "parallel.rank: expected 0 to %d, of parallel.ranks %d, found %d", ranks - 1,
                       ranks, rank);
    star *s = ct_calloc(1, sizeof *s);
    if (s == NULL)
        return CSCTRL_E_NOMEM;
    s->rank = rank;
    s->size = ranks;
    s->peers = ct_calloc((size_t)ranks, sizeof *s->peers);
    csctrl_status status = s->peers != NULL ? meet(s, address) : CSCTRL_E_NOMEM;
    *comm = (ct_comm){.rank = rank, .size = ranks, .name = "tcp", .ops = &ops, .state = s};
    if (status == CSCTRL_OK)
        status = count_local(comm);
    if (status != CSCTRL_OK) {
        close_star(s);
        *comm = ct_comm_alone;
    }
    return status;
}
