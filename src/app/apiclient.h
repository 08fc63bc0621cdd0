/* app/apiclient.h - the other end of net/api.h: one request to a running gate4netns.
 *
 * Waits, but never for ever: for a server that is silent, for an answer that does not end.
 */
#ifndef APP_APICLIENT_H
#define APP_APICLIENT_H

struct json_t;

#define APICLIENT_TIMEOUT_MS 5000
#define APICLIENT_ANSWER_MAX (16u << 20) /* bytes */

/* Connect to the socket at @path, send @request (borrowed), and take the answer, an object, for the caller
 * to json_decref(); it may be an error of the API's. 0, or -errno and *reterr, a text of static lifetime
 * that says which step failed: -ETIMEDOUT when the whole took too long, -EPROTO when the answer is none,
 * -EMSGSIZE when it is too long.
 */
int apiclient_ask(const char *path, const struct json_t *request, struct json_t **ret,
		  const char **reterr);

#endif
