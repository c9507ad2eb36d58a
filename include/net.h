/* Network set-up in a container's own network namespace, by rtnetlink through libmnl. */
#ifndef RUNSAFE_NET_H
#define RUNSAFE_NET_H

/* Brings the interface "lo" of the calling process's network namespace up (rtnetlink(7),
 * RTM_NEWLINK with IFF_UP). Returns 0, or -1 with errno set. */
int net_loopback_up(void);

#endif
