/* net/slirp.h - libslirp as a stack behind the gate. The only file that knows libslirp.
 *
 * It owns its host sockets and has them polled through the loop's guest set.
 */
#ifndef NET_SLIRP_H
#define NET_SLIRP_H

#include <stddef.h>
#include <stdint.h>

#include "net/settings.h"
#include "wire/portspec.h"

struct loop;
struct slirp;

/* Where frames for the guest go; keeps no pointer to them. */
typedef void slirp_output_fn(const uint8_t *frame, size_t len, void *data);

/* @loop and @settings are borrowed for the life of the stack. 0 or -errno. */
int slirp_stack_new(struct loop *loop, const struct settings *settings, slirp_output_fn *output,
		    void *data, struct slirp **ret);
void slirp_stack_free(struct slirp *slirp); /* NULL is a no-op */

/* A frame from the guest, checked by the gate. */
void slirp_stack_input(struct slirp *slirp, const uint8_t *frame, size_t len);

/* Listen on a host address and port and connect what comes to the guest; both addresses are
 * set and of one family. An IPv6 listener takes no IPv4 clients. Host port 0 becomes the one that
 * the kernel chooses. -errno of bind(2) or listen(2); for TCP the backlog is the system's largest.
 */
int slirp_stack_add_forward(struct slirp *slirp, struct forward_spec *forward);

/* Stop listening; established connections go on. -ENOENT if libslirp does not know of it. */
int slirp_stack_remove_forward(struct slirp *slirp, const struct forward_spec *forward);

/* The version of the library that is loaded, and the newest configuration of its headers. */
const char *slirp_stack_version(void);
unsigned slirp_stack_config_version(void);

#endif
