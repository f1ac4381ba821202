/*
 * The floor of a call that has credit: what adcredit does, with nothing around
 * it. It reads the AGI environment, sets one variable, asks creditapi once over
 * a raw socket with a real key, and tells the outcome, in as many commands as
 * adcredit and each with its reply. Nothing is checked that a hostile peer could get wrong.
 *
 *   floor PORT KEY COMMANDS      COMMANDS: how many adcredit sends
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[65536];

/* read until the text holds mark, and return where it begins */
static char *until(int fd, char *from, const char *mark)
{
	size_t have = 0;
	char *found;

	while (!(found = strstr(from, mark))) {
		ssize_t n = read(fd, from + have, sizeof buffer - 1 - (from - buffer) - have);
		if (n <= 0)
			exit(3);
		have += n;
		from[have] = 0;
	}
	return found;
}

static void set(const char *name, const char *value)
{
	char reply[256];
	char line[256];
	int n = snprintf(line, sizeof line, "SET VARIABLE %s \"%s\"\n", name, value);

	if (write(1, line, n) != n || read(0, reply, sizeof reply) <= 0)
		exit(4);
}

/* ask creditapi; whether the credit suffices */
static int sufficient(int port, const char *key, const char *card)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char *body, *length;
	int n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(s, (struct sockaddr *)&to, sizeof to))
		exit(5);
	n = snprintf(buffer, sizeof buffer,
		"GET /v1/accounts/card:%s/credit?destination=2000 HTTP/1.1\r\n"
		"Host: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n", card, port, key);
	if (write(s, buffer, n) != n)
		exit(6);
	buffer[0] = 0;
	body = until(s, buffer, "\r\n\r\n") + 4;
	if (!(length = strstr(buffer, "Content-Length: ")) || length > body)
		exit(7);
	for (n = atoi(length + 16) - strlen(body); n > 0;) {
		ssize_t more = read(s, body + strlen(body), n);
		if (more <= 0)
			exit(8);
		n -= more;
	}
	return strstr(buffer, "HTTP/1.1 200 ") == buffer && strstr(body, "\"sufficient\":true") != NULL;
}

int main(int argc, char **argv)
{
	char card[64] = "";
	char *code;
	int i;

	if (argc != 4)
		return 2;
	until(0, buffer, "\n\n");
	if (!(code = strstr(buffer, "agi_accountcode: ")) || sscanf(code + 17, "%63s", card) != 1)
		return 9;
	set("ADCREDIT_STATUS", "ERROR");
	if (!sufficient(atoi(argv[1]), argv[2], card))
		return 10;
	for (i = 2; i < atoi(argv[3]); i++)
		set("ADCREDIT_CAUSE", "");
	set("ADCREDIT_STATUS", "SUFFICIENT");
	return 0;
}
