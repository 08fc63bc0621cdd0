/* app/shuttle.h - the shuttle: raw IP packets between a TUN and a SOCK_SEQPACKET socket, one a message,
 * for a guest that cannot hand over a TAP's descriptor.
 *
 * What one side does not take waits, one packet each way, and the other side is not read meanwhile:
 * so a sender in the guest waits in its own kernel, and nothing is dropped that could be carried.
 */
#ifndef APP_SHUTTLE_H
#define APP_SHUTTLE_H

/* Carry until one side is gone: 0 when the socket's other end is; -errno when the TUN is, or when it
 * cannot wait. Both descriptors are the caller's, and non-blocking.
 */
int shuttle_run(int tun_fd, int sock_fd);

#endif
