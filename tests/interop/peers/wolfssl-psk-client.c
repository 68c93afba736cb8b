/*
 * A DTLS 1.2 client with a pre-shared key on wolfSSL: sends its standard input as one record, prints the first record of the
 * answer.
 *
 *   wolfssl-psk-client HOST PORT SUITE IDENTITY KEY-FILE
 *
 * SUITE as wolfSSL calls it; the file has the key's bytes. A fatal alert of the server is said on standard error as "alert NUMBER".
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static WOLFSSL *ssl;
static const char *identity;
static unsigned char key[64];
static unsigned int key_length;

static void fail(const char *what)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = ssl == NULL ? 0 : wolfSSL_get_error(ssl, 0);
    WOLFSSL_ALERT_HISTORY alerts;
    if (ssl != NULL && wolfSSL_get_alert_history(ssl, &alerts) == WOLFSSL_SUCCESS && alerts.last_rx.level == 2)
        fprintf(stderr, "alert %d\n", alerts.last_rx.code);
    fprintf(stderr, "%s: %d %s\n", what, error, wolfSSL_ERR_error_string(error, text));
    exit(1);
}

static unsigned int find_key(WOLFSSL *of, const char *hint, char *to_identity, unsigned int most_identity,
                             unsigned char *to_key, unsigned int most_key)
{
    (void)of;
    (void)hint;
    if (strlen(identity) + 1 > most_identity || key_length > most_key) return 0;
    strcpy(to_identity, identity);
    memcpy(to_key, key, key_length);
    return key_length;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    identity = argv[4];
    FILE *file = fopen(argv[5], "rb");
    if (file == NULL) return 2;
    key_length = (unsigned int)fread(key, 1, sizeof key, file);
    fclose(file);
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
    if (context == NULL) fail("context");
    if (wolfSSL_CTX_set_cipher_list(context, argv[3]) != WOLFSSL_SUCCESS) fail("suite");
    wolfSSL_CTX_set_psk_client_callback(context, find_key);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    ssl = wolfSSL_new(context);
    if (ssl == NULL || descriptor < 0) fail("session");
    wolfSSL_dtls_set_peer(ssl, &server, sizeof server);
    wolfSSL_set_fd(ssl, descriptor);
    if (wolfSSL_connect(ssl) != WOLFSSL_SUCCESS) fail("handshake");
    fprintf(stderr, "suite %s\n", wolfSSL_get_cipher_name(ssl));
    char record[2048];
    ssize_t length = read(STDIN_FILENO, record, sizeof record);
    if (wolfSSL_write(ssl, record, (int)length) <= 0) fail("write");
    int answered = wolfSSL_read(ssl, record, sizeof record);
    if (answered <= 0) fail("read");
    fwrite(record, 1, (size_t)answered, stdout);
    fflush(stdout);
    wolfSSL_shutdown(ssl);
    return 0;
}
