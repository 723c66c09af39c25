/* tcp.h - ranks that reach one another by TCP alone, where no MPI can be started: the first one
 * listens, the others connect to it, and all messages go by way of it. For starting NCCL and for a
 * few ranks; nothing is encrypted and nobody has to prove who he is. */
#ifndef CT_COMM_TCP_H
#define CT_COMM_TCP_H

#include "comm/comm.h"

/* address: "host:port" of the first rank. Waits until all have come, a minute at most. E_CONFIG for
 * an address or a rank that cannot be, E_IO when the others do not come. */
csctrl_status ct_tcp_open(ct_comm *comm, const char *address, int rank, int ranks);

#endif
