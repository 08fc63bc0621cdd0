/* app/guestfiles.h - what CMD reads in resolv.conf, hosts and nsswitch.conf.
 *
 * Names are asked of the DNS address and of nobody else. Pure: texts in, texts out, to be freed with
 * g_free(). Source: resolv.conf(5), hosts(5), nsswitch.conf(5).
 */
#ifndef APP_GUESTFILES_H
#define APP_GUESTFILES_H

struct settings;

/* The name of the gateway's address, which leads to the host where host_loopback lets it. */
#define GUESTFILES_HOST_NAME "host.gate4netns.internal"

/* The DNS address, and of the host's text how names are completed and asked for: the queries end at the
 * host's name server, so they should be those that the host would ask.
 */
char *guestfiles_resolv_conf(const struct settings *settings, const char *host_text);

/* localhost, the guest's own name, and the host's. Nothing of the host's text: what it says of 127.0.0.1
 * is not true of the guest's.
 */
char *guestfiles_hosts(const struct settings *settings, const char *hostname);

/* The host's text, but that hosts are looked up in files and by DNS only: other sources answer from
 * outside, or ask there.
 */
char *guestfiles_nsswitch(const char *host_text);

#endif
