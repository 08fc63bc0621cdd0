/* Role: front. Gets the link (app/linksource.h), then is the engine, in the process that the caller started.
 * Holds:    the caller's namespaces, and the target's by descriptor.
 * Must:     stay the caller's child; wait for nothing without listening for its end.
 * Must not: enter a namespace itself: the helper does.
 */
#include "app/front.h"

#include <string.h>

#include "app/banner.h"
#include "app/broker.h"
#include "app/engine.h"
#include "app/linksource.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/proc.h"

struct front {
	const struct settings *settings;
	int signal_fd; /* owned */
	struct linksource source;
	struct engine_input engine; /* what belongs to the link is filled in by the source */
};

/* The status as engine_run() has it: 0, 1, or minus a signal. */
static int run(struct front *front)
{
	int r = engine_open_capture(&front->engine);
	int end_signal;

	if (r == 0)
		r = linksource_open(&front->source);
	front->engine.user_fd = fd_steal(&front->source.ns.user_fd);
	if (front->settings->exit_with)
		front->engine.target_fd = fd_steal(&front->source.ns.pidfd);
	netns_close(&front->source.ns); /* before the sandbox closes directories under our hands */
	if (r == 0) {
		if (front->settings->compat)
			banner_print(front->settings);
		return engine_run(&front->engine);
	}
	broker_end(&front->engine.broker);
	unixsock_unlink(&front->engine.link_sock);
	fd_close(&front->engine.link_sock.fd);
	fd_close(&front->engine.sender_fd);
	fd_close(&front->engine.pcap_fd);
	fd_close(&front->engine.user_fd);
	fd_close(&front->engine.target_fd);
	if (r < 0)
		return 1;
	end_signal = proc_signals_read(front->signal_fd);
	if (end_signal == 0)
		log_line("exitfd event");
	return -end_signal;
}

/* A descriptor that the caller named. One that is not open is told from now on, before the number
 * comes to one of our own.
 */
static int named_fd(int fd)
{
	return fd == FD_NONE || fcntl(fd, F_GETFD) >= 0 ? fd : -EBADF;
}

int front_run(const struct settings *settings)
{
	struct front front = {
		.settings = settings,
		.source = { .settings = settings, .ns = NETNS_NONE },
		.engine = ENGINE_INPUT_NONE,
	};
	int status;

	front.engine.settings = settings;
	front.engine.ready_fd = named_fd(settings->ready_fd);
	front.engine.exit_fd = named_fd(settings->exit_fd);
	proc_raise_open_files();
	front.signal_fd = proc_signals_open();
	if (front.signal_fd < 0) {
		log_line("signalfd: %s", strerror(-front.signal_fd));
		return 1;
	}
	front.engine.signal_fd = front.source.signal_fd = front.signal_fd;
	front.source.engine = &front.engine;
	status = run(&front);
	netns_close(&front.source.ns);
	fd_close(&front.signal_fd);
	if (status < 0)
		proc_die_by_signal(-status);
	return status;
}
