#include "app/guestfiles.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "net/settings.h"

#define NSSWITCH_HOSTS "hosts: files dns\n"

/* Does @word stand first in the line, after blanks, with one of @ends behind it? */
static bool begins_with(const char *line, const char *word, const char *ends)
{
	char end;

	line += strspn(line, " \t");
	if (!g_str_has_prefix(line, word))
		return false;
	end = line[strlen(word)];
	return end != '\0' && strchr(ends, end);
}

static void append_address(GString *text, const struct ip *ip)
{
	char word[IP_TEXT_MAX];

	g_string_append(text, ip_format(ip, word));
}

static void append_name_server(GString *text, const struct ip *ip)
{
	g_string_append(text, "nameserver ");
	append_address(text, ip);
	g_string_append_c(text, '\n');
}

/* "search" and its old form "domain" exclude each other, the last one counts: the order stays. */
static void append_host_lines(GString *text, const char *host_text)
{
	static const char *const kept[] = { "search", "domain", "options" };
	g_auto(GStrv) lines = g_strsplit(host_text, "\n", -1);

	for (char **line = lines; *line; line++) {
		for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
			if (begins_with(*line, kept[i], " \t"))
				g_string_append_printf(text, "%s\n", *line);
		}
	}
}

char *guestfiles_resolv_conf(const struct settings *settings, const char *host_text)
{
	const struct ip dns4 = { .family = IP_V4, .v4 = settings->plan.dns };
	const struct ip dns6 = { .family = IP_V6, .v6 = settings->plan.dns6 };
	GString *text = g_string_new(NULL);

	if (!settings->dns)
		return g_string_free(g_string_append(text, "# --dns=off\n"), FALSE);
	append_name_server(text, &dns4);
	if (settings->ipv6)
		append_name_server(text, &dns6);
	append_host_lines(text, host_text);
	return g_string_free(text, FALSE);
}

static void append_host(GString *text, const struct ip *ip, const char *name)
{
	append_address(text, ip);
	g_string_append_printf(text, "\t%s\n", name);
}

char *guestfiles_hosts(const struct settings *settings, const char *hostname)
{
	const struct addrplan *plan = &settings->plan;
	const struct ip guest4 = { .family = IP_V4, .v4 = plan->guest };
	const struct ip gateway4 = { .family = IP_V4, .v4 = plan->gateway };
	const struct ip guest6 = { .family = IP_V6, .v6 = plan->guest6 };
	const struct ip gateway6 = { .family = IP_V6, .v6 = plan->gateway6 };
	GString *text = g_string_new("127.0.0.1\tlocalhost\n"
				     "::1\tlocalhost ip6-localhost ip6-loopback\n");

	append_host(text, &guest4, hostname);
	if (settings->ipv6)
		append_host(text, &guest6, hostname);
	if (settings->host_loopback)
		append_host(text, &gateway4, GUESTFILES_HOST_NAME);
	if (settings->host_loopback && settings->ipv6)
		append_host(text, &gateway6, GUESTFILES_HOST_NAME);
	return g_string_free(text, FALSE);
}

char *guestfiles_nsswitch(const char *host_text)
{
	g_auto(GStrv) lines = g_strsplit(host_text, "\n", -1);
	GString *text = g_string_new(NSSWITCH_HOSTS);

	for (char **line = lines; *line; line++) {
		if (**line != '\0' && !begins_with(*line, "hosts", ": \t"))
			g_string_append_printf(text, "%s\n", *line);
	}
	return g_string_free(text, FALSE);
}
