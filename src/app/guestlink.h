/* app/guestlink.h - the guest's end of the link: a TAP in its network namespace, ready for use.
 *
 * Made by whoever is in that namespace already: the helper, `run` before CMD, `tap` in a sandbox
 * that is still being built. Its descriptor then goes to the engine, over a Unix socket where that
 * is another process. Nothing here logs.
 */
#ifndef APP_GUESTLINK_H
#define APP_GUESTLINK_H

#include "net/settings.h"
#include "os/tap.h"

/* What of a TAP the user's settings have a use for. */
enum tap_offloads guestlink_offloads(const struct settings *settings);

/* Make the TAP settings->tap_name in the calling thread's network namespace, owned by the caller. With
 * settings->configure it has the MAC, MTU, addresses and default routes of the settings, and it and lo
 * are up: IPv6 too in our own dialect, usable at once; the slirp4netns dialect leaves that to router
 * advertisements. A namespace that has IPv6 switched off gets IPv4 only.
 * 0, or -errno and the step that failed; then nothing of ours is left but lo, which may be up.
 */
int guestlink_make(const struct settings *settings, struct tap *ret, const char **reterr_what);

/* The same for a TUN, which has no MAC: its descriptor, or -errno. */
int guestlink_make_tun(const struct settings *settings, const char **reterr_what);

/* Send @tap's descriptor, which stays the caller's, over a Unix socket of any type, with one byte.
 * 0 or -errno.
 */
int guestlink_send(int sock, const struct tap *tap);

/* Receive what guestlink_send() or any other program has sent: at least one byte, and exactly one
 * descriptor, which is a TAP without packet information. It is asked for the offloads that @settings
 * have a use for. 0; -EPIPE if the sender has gone; -EBADMSG for another message; else -errno as of
 * tap_adopt().
 */
int guestlink_receive(int sock, const struct settings *settings, struct tap *ret);

#endif
