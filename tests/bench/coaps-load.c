/*
 * The load of the transport benchmark: many CoAP clients over DTLS 1.2 (OpenSSL), one UDP socket each, in one process.
 *
 *   coaps-load PORT CA.pem DEVICE.pem DEVICE.key CIPHERS
 *   coaps-load PORT                                         plain datagrams of the same sizes in the same order, for `floor-server.ts`
 *
 * It obeys lines on standard input and answers each with one line, so that whoever measures knows when a phase begins and ends:
 *
 *   connect N   N full mutual handshakes, eight at a time; the associations are kept     connected N SECONDS
 *   resume N    N handshakes with the session of the first association, eight at a time      resumed N SECONDS
 *               (N: those that the server did resume)
 *   get N       N confirmable GET /time, spread over all associations, one in flight     answered N SECONDS
 *               on each (NSTART = 1, RFC 7252 section 4.7)
 *   rest        forgets all associations but the first without a word, so that the       resting
 *               server keeps its side; their address is not used again
 *   close       close_notify on all                                                      closed
 *
 * While it waits for anything it asks and asks again, and does not sleep: whoever sends to a process that sleeps on another core pays
 * for waking it (an interrupt to that core, on a virtual machine an exit to the host), and that would be the server, in its `sendmsg`.
 *
 * A datagram lost is sent again after a second, three times; anything else that goes wrong ends it with exit code 1. It talks to
 * 127.0.0.1 only, from 127.0.0.2 and on: another one after each rest.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { handshakesAtOnce = 8, maxAssociations = 25000, maxEvents = 256, retransmitAfterMs = 1000, maxRetransmits = 3, lookEveryMs = 100 };
static const double longestPhase = 240;

struct association {
  /* 0: forgotten. */
  int socket;
  /* NULL with plain datagrams. */
  SSL *ssl;
  int open;
  /* The plain datagram of a handshake that is on its way. */
  uint8_t step;
  uint16_t messageId;
  int retransmits;
  double sentAt;
};

static struct association associations[maxAssociations];
static int count;
static int epoll;
static uint16_t serverPort;
/* NULL: plain datagrams. */
static SSL_CTX *context;
/* Given to the handshakes that begin; NULL: full ones. */
static SSL_SESSION *session;
static int rests;
/* The plain ones go on with the session of the first. */
static int resuming;

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "coaps-load: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static SSL_CTX *clientContext(const char *ca, const char *certificate, const char *key, const char *ciphers) {
  SSL_CTX *made = SSL_CTX_new(DTLS_client_method());
  if (made == NULL) fail("no context");
  /* OpenSSL counts the 64-bit tag of CCM_8 as too weak for its default level; RFC 7252 makes it mandatory. */
  SSL_CTX_set_security_level(made, 0);
  if (SSL_CTX_set_min_proto_version(made, DTLS1_2_VERSION) != 1) fail("no DTLS 1.2");
  if (SSL_CTX_set_cipher_list(made, ciphers) != 1) fail("no such cipher suite: %s", ciphers);
  if (SSL_CTX_set1_curves_list(made, "P-256") != 1) fail("no P-256");
  if (SSL_CTX_load_verify_locations(made, ca, NULL) != 1) fail("cannot read %s", ca);
  if (SSL_CTX_use_certificate_chain_file(made, certificate) != 1) fail("cannot read %s", certificate);
  if (SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) != 1) fail("cannot read %s", key);
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(made, SSL_OP_NO_QUERY_MTU);
  return made;
}

/*
 * The plain datagrams: their first byte says what the server is to do, and each is answered. Their lengths are those of ours above:
 * a hello, the same with its cookie, the flight with certificate, key and Finished (or only Finished where a session goes on), a GET.
 */
enum { plainHello = 1, plainCookie, plainFlight, plainSession, plainGet };
static const size_t plainLengths[] = {[plainHello] = 200, [plainCookie] = 230, [plainFlight] = 900, [plainSession] = 230, [plainGet] = 40};

static void sendPlain(struct association *association, uint8_t step) {
  uint8_t datagram[1024] = {step, association->messageId >> 8, association->messageId & 0xff};
  association->step = step;
  if (send(association->socket, datagram, plainLengths[step], 0) < 0) fail("a datagram could not be sent: %s", strerror(errno));
  association->sentAt = now();
}

/* True for the answer to the datagram in flight. */
static int receivePlain(struct association *association) {
  uint8_t answer[2048];
  ssize_t length = recv(association->socket, answer, sizeof answer, 0);
  if (length < 0 && errno == EAGAIN) return 0;
  if (length < 3) fail("no answer: %s", strerror(errno));
  return answer[0] == association->step && ((answer[1] << 8) | answer[2]) == association->messageId;
}

static int advancePlain(struct association *association) {
  if (association->step == 0) sendPlain(association, plainHello);
  if (!receivePlain(association)) return 0;
  association->messageId += 1;
  if (association->step == plainHello) sendPlain(association, resuming ? plainSession : plainCookie);
  else if (association->step == plainCookie) sendPlain(association, plainFlight);
  else association->open = 1;
  return association->open;
}

static void openAssociation(int index) {
  struct association *association = &associations[index];
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(serverPort)};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  association->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (association->socket < 0) fail("no socket: %s", strerror(errno));
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + rests)};
  if (bind(association->socket, (struct sockaddr *)&own, sizeof own) != 0) fail("bind: %s", strerror(errno));
  if (connect(association->socket, (struct sockaddr *)&server, sizeof server) != 0) fail("connect: %s", strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, association->socket, &event) != 0) fail("epoll: %s", strerror(errno));
  if (context == NULL) return;
  BIO *datagrams = BIO_new_dgram(association->socket, BIO_NOCLOSE);
  BIO_ctrl(datagrams, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &server);
  association->ssl = SSL_new(context);
  if (association->ssl == NULL) fail("no memory for an association");
  SSL_set_bio(association->ssl, datagrams, datagrams);
  SSL_set_mtu(association->ssl, 1200);
  SSL_set_connect_state(association->ssl);
  if (session != NULL && SSL_set_session(association->ssl, session) != 1) fail("no session to resume");
}

/* True at the step that finishes the handshake. */
static int advanceHandshake(int index) {
  struct association *association = &associations[index];
  if (context == NULL) return advancePlain(association);
  int result = SSL_do_handshake(association->ssl);
  int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(association->ssl, result);
  if (result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail("handshake %d failed", index);
  association->open = SSL_is_init_finished(association->ssl);
  return association->open;
}

/* Repeated flights and late answers: read, so that epoll speaks of them once. */
static void passOver(struct association *association) {
  if (context == NULL) {
    receivePlain(association);
    return;
  }
  uint8_t late[2048];
  int length = SSL_read(association->ssl, late, sizeof late);
  if (length <= 0 && SSL_get_error(association->ssl, length) != SSL_ERROR_WANT_READ) fail("an association ended");
}

static int resumedFrom(int first) {
  if (context == NULL) return count - first;
  int resumed = 0;
  for (int index = first; index < count; index += 1) resumed += SSL_session_reused(associations[index].ssl);
  return resumed;
}

static void connectMany(int wanted) {
  if (wanted < 1 || count + wanted > maxAssociations) fail("at most %d associations", maxAssociations);
  const int first = count, last = count + wanted;
  int begun = first, finished = 0;
  const double start = now();
  double lookedAt = start;
  struct epoll_event events[maxEvents];
  while (finished < wanted) {
    while (begun < last && begun - first - finished < handshakesAtOnce) {
      openAssociation(begun);
      /* A server that is quick enough is heard out before OpenSSL ever waits. */
      if (advanceHandshake(begun)) finished += 1;
      begun += 1;
    }
    int ready = epoll_wait(epoll, events, maxEvents, 0);
    for (int i = 0; i < ready; i += 1) {
      int index = (int)events[i].data.u32;
      if (associations[index].open) passOver(&associations[index]);
      else if (advanceHandshake(index)) finished += 1;
    }
    if (now() - lookedAt < lookEveryMs / 1000.0) continue;
    lookedAt = now();
    for (int index = first; index < begun; index += 1) {
      if (associations[index].open) continue;
      if (context == NULL) {
        if (now() - associations[index].sentAt > retransmitAfterMs / 1000.0) sendPlain(&associations[index], associations[index].step);
        continue;
      }
      if (DTLSv1_handle_timeout(associations[index].ssl) < 0) fail("handshake %d timed out", index);
      if (advanceHandshake(index)) finished += 1;
    }
    if (now() - start > longestPhase) fail("the handshakes took longer than %.0f s", longestPhase);
  }
  count = last;
  if (!resuming) printf("connected %d %.3f\n", wanted, now() - start);
  else printf("resumed %d %.3f\n", resumedFrom(first), now() - start);
}

static void resumeMany(int wanted) {
  if (count == 0) fail("resume wants an association");
  if (context != NULL) session = SSL_get1_session(associations[0].ssl);
  resuming = 1;
  connectMany(wanted);
  resuming = 0;
  SSL_SESSION_free(session);
  session = NULL;
}

/* CON GET /time with a token of two bytes, the message id again (RFC 7252 section 3). */
static void sendRequest(struct association *association) {
  if (context == NULL) {
    sendPlain(association, plainGet);
    return;
  }
  const uint8_t high = association->messageId >> 8, low = association->messageId & 0xff;
  const uint8_t request[] = {0x42, 0x01, high, low, high, low, 0xb4, 't', 'i', 'm', 'e'};
  if (SSL_write(association->ssl, request, sizeof request) != sizeof request) fail("a request could not be sent");
  association->sentAt = now();
}

/* True for the piggybacked 2.05 of the request in flight; what is late or doubled is passed over. */
static int receiveAnswer(struct association *association) {
  if (context == NULL) return receivePlain(association);
  uint8_t answer[2048];
  int length = SSL_read(association->ssl, answer, sizeof answer);
  if (length <= 0) {
    int error = SSL_get_error(association->ssl, length);
    if (error == SSL_ERROR_WANT_READ) return 0;
    fail("an association ended (%d)", error);
  }
  if (length < 6 || ((answer[2] << 8) | answer[3]) != association->messageId) return 0;
  if (answer[0] != 0x62 || answer[1] != 0x45) fail("the answer is %02x %02x, not ACK 2.05", answer[0], answer[1]);
  return 1;
}

static void getMany(int wanted) {
  int live = 0;
  for (int index = 0; index < count; index += 1) live += associations[index].socket != 0;
  if (live == 0 || wanted < live) fail("get wants at least one request for each association");
  const double start = now();
  int sent = 0, answered = 0;
  double lookedAt = start;
  struct epoll_event events[maxEvents];
  for (int index = 0; index < count; index += 1) {
    if (associations[index].socket == 0) continue;
    associations[index].messageId += 1;
    associations[index].retransmits = 0;
    sendRequest(&associations[index]);
    sent += 1;
  }
  while (answered < wanted) {
    int ready = epoll_wait(epoll, events, maxEvents, 0);
    for (int i = 0; i < ready; i += 1) {
      struct association *association = &associations[events[i].data.u32];
      if (!receiveAnswer(association)) continue;
      answered += 1;
      association->sentAt = 0;
      if (sent == wanted) continue;
      association->messageId += 1;
      association->retransmits = 0;
      sendRequest(association);
      sent += 1;
    }
    if (now() - lookedAt < lookEveryMs / 1000.0) continue;
    lookedAt = now();
    for (int index = 0; index < count; index += 1) {
      struct association *association = &associations[index];
      if (association->sentAt == 0 || now() - association->sentAt < retransmitAfterMs / 1000.0) continue;
      if ((association->retransmits += 1) > maxRetransmits) fail("a request was never answered");
      sendRequest(association);
    }
    if (now() - start > longestPhase) fail("the requests took longer than %.0f s", longestPhase);
  }
  printf("answered %d %.3f\n", wanted, now() - start);
}

static void forget(int closing) {
  for (int index = closing ? 0 : 1; index < count; index += 1) {
    struct association *association = &associations[index];
    if (association->socket == 0) continue;
    if (closing && context != NULL) SSL_shutdown(association->ssl);
    SSL_free(association->ssl);
    close(association->socket);
    *association = (struct association){0};
  }
  if (!closing) rests += 1;
  printf(closing ? "closed\n" : "resting\n");
}

int main(int argumentCount, char **arguments) {
  if (argumentCount != 2 && argumentCount != 6) fail("usage: coaps-load PORT [CA.pem DEVICE.pem DEVICE.key CIPHERS]");
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  serverPort = (uint16_t)atoi(arguments[1]);
  if (argumentCount == 6) context = clientContext(arguments[2], arguments[3], arguments[4], arguments[5]);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    int number = 0;
    if (sscanf(line, "connect %d", &number) == 1) connectMany(number);
    else if (sscanf(line, "resume %d", &number) == 1) resumeMany(number);
    else if (sscanf(line, "get %d", &number) == 1) getMany(number);
    else if (strcmp(line, "rest\n") == 0) forget(0);
    else if (strcmp(line, "close\n") == 0) forget(1);
    else fail("no such command: %s", line);
    fflush(stdout);
  }
  return 0;
}
